# shellcheck shell=bash
# Huge pages of 2 MiB for as long as a script runs: added to what the machine has, taken away again. Sourced after common.sh.

hugepages_dir=/sys/kernel/mm/hugepages/hugepages-2048kB
hugepages_added=0 hugepages_mount=

# hugepages_change BY: more or fewer than there are now; says by how many it became. Others may do the same meanwhile.
hugepages_change() {
  (
    flock 9
    before=$(<"$hugepages_dir/nr_hugepages")
    echo $((before + $1)) >"$hugepages_dir/nr_hugepages"
    echo $(($(<"$hugepages_dir/nr_hugepages") - before))
  ) 9>"${TMPDIR:-/tmp}/umbra-hugepages.lock"
}

# hugepages_reserve N: false where so many cannot be had.
hugepages_reserve() {
  [[ -w $hugepages_dir/nr_hugepages ]] || return 1
  hugepages_added=$(hugepages_change "$1") || return 1
  ((hugepages_added >= $1)) || {
    hugepages_release
    return 1
  }
}

# hugepages_mounted DIR: a hugetlbfs of the script's own, which takes the files that EAL leaves behind with it.
hugepages_mounted() {
  mkdir -p "$1"
  mount -t hugetlbfs -o pagesize=2M umbra "$1" || return 1
  hugepages_mount=$1
}

hugepages_release() {
  if [[ -n $hugepages_mount ]]; then
    umount "$hugepages_mount" || umount -l "$hugepages_mount" || true
    hugepages_mount=
  fi
  if ((hugepages_added > 0)); then
    hugepages_change $((-hugepages_added)) >/dev/null || true
    hugepages_added=0
  fi
}
