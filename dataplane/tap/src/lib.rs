//! The tap: what stands between the wire and the shadow. No DPDK, nothing of ours below it.
