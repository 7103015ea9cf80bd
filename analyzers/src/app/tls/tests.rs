//! TLS by hand-made bytes.
