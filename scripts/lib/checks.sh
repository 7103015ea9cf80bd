# shellcheck shell=bash disable=SC2034
# Checks and their table; the checks that every laboratory makes of umbra's own accounts. Sourced after forwarder.sh.

check_rows=() failed_checks=0 table_printed=false

# check NAME TRUE|FALSE DETAIL…
check() {
  local name=$1 verdict=$2
  shift 2
  if [[ $verdict == true ]]; then
    check_rows+=("${green}ok${plain}|${lab:-demo}|$name|$*")
    printf '   %sok%s    %s: %s\n' "$green" "$plain" "$name" "$*"
  else
    failed_checks=$((failed_checks + 1))
    check_rows+=("${red}FAILED${plain}|${lab:-demo}|$name|$*")
    printf '   %sFAILED%s %s: %s\n' "$red" "$plain" "$name" "$*"
  fi
}

# Says "true" or "false" for an arithmetic or test expression, as the second argument of check.
truth() { if "$@"; then echo true; else echo false; fi; }
is() { [[ $1 == "$2" ]]; }
at_most() { [[ -n $1 ]] && awk -v a="$1" -v b="$2" 'BEGIN { exit !(a <= b) }'; }
above() { [[ -n $1 ]] && awk -v a="$1" -v b="$2" 'BEGIN { exit !(a > b) }'; }
# field FILE KEY: a key of a one-line JSON object.
field() { python3 -c 'import json,sys; v=json.load(open(sys.argv[1])).get(sys.argv[2]); print(str(v).lower() if isinstance(v,bool) else v)' "$1" "$2" 2>/dev/null || true; }

print_checks() {
  local row verdict where name detail
  table_printed=true
  printf '\n%-8s %-7s %-36s %s\n' verdict lab check detail
  for row in "${check_rows[@]}"; do
    IFS='|' read -r verdict where name detail <<<"$row"
    # The colour codes take no room: pad by hand.
    local bare=${verdict//$'\e'\[*([0-9;])m/}
    printf '%s%*s %-7s %-36s %s\n' "$verdict" $((8 - ${#bare})) '' "$where" "$name" "$detail"
  done
  printf '%d checks passed, %d failed\n' $((${#check_rows[@]} - failed_checks)) "$failed_checks"
  ((failed_checks == 0))
}
shopt -s extglob

# ledger_now FILE: the accounts as umbra tells them.
ledger_now() { ctl ledger --json >"$1"; }

# ledger_sum KIND TERM INSTANCE: a term of one instance's accounts ("taps" or "behind"), over all workers, now.
ledger_sum() { ctl ledger --json | python3 "$repo/scripts/lib/ledger.py" sum - "$@" || echo 0; }

# instance_now INSTANCE KEY: what status says of it, as "state", "starts", "hangs", "crashes".
instance_now() {
  ctl status --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["instances"][int(sys.argv[1])][sys.argv[2]])' "$@" || echo unknown
}
instance_is() { [[ $(instance_now "$1" "$2") == "$3" ]]; }

# check_wire_counts DIRECTION SENT RECEIVED: umbra's own counters against those of the two ends.
check_wire_counts() {
  local rx tx
  ledger_now "$run_dir/ledger.json" || true
  read -r rx tx <<<"$(python3 "$repo/scripts/lib/ledger.py" wire "$run_dir/ledger.json" "$1")"
  check "ledger $1 agrees with the ends" "$(truth is "${rx:-} ${tx:-}" "$2 $3")" "rx $rx of $2 sent, tx $tx of $3 received"
}

# check_ledger NAME
check_ledger() {
  local verdict=true detail
  ledger_now "$run_dir/ledger.json" || true
  detail=$(python3 "$repo/scripts/lib/ledger.py" check "$run_dir/ledger.json") || verdict=false
  check "$1" $verdict "$detail"
}

# check_umbra: what umbra says of itself at the end: accounts exact, the sample analysed, records written, a clean end on SIGINT.
check_umbra() {
  local code=0 flows
  check_ledger "ledger exact"
  kill -s INT "$forwarder_pid" 2>/dev/null || true
  if wait_gone "$forwarder_pid" 10; then wait "$forwarder_pid" || code=$?; else code="none within 10 s"; fi
  check "drains and ends on SIGINT" "$(truth is "$code" 0)" "exit code $code"
  if [[ -f $run_dir/out/eve.json ]]; then
    flows=$(python3 "$repo/scripts/lib/eve.py" count "$run_dir/out/eve.json" flow 2>&1) || true
    check "the sample was analysed" "$(truth above "${flows//[!0-9]/}" 0)" "$flows flow records in eve.json"
  else
    check "the sample was analysed" false "no eve.json in $run_dir/out"
  fi
}
