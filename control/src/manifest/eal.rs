//! Cores and EAL arguments: which cores do what, and how EAL is told.
//!
//! Workers are EAL lcores, one on each worker core. EAL's main lcore, on which umbra's control
//! runs, floats over the analyzers' cores. Shadow instances are no lcores.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::names::Core;
use super::types::{Host, Wire};

/// lcore ids that every build of DPDK has (`RTE_MAX_LCORE` is 128 in Debian's).
const LCORE_IDS: u16 = 128;

/// The cores of this machine, as far as this process may use them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Machine {
    /// Cores that are switched on.
    pub online: BTreeSet<Core>,
    /// Those of them on which this process can run when a manifest names them.
    pub usable: BTreeSet<Core>,
    /// Those to choose from when it names none: the affinity mask that the process was started
    /// with (`taskset` is to be heeded), and the isolated cores, which no mask has by itself.
    pub pool: BTreeSet<Core>,
    /// Those of the pool that the scheduler leaves alone (`isolcpus=`).
    pub isolated: BTreeSet<Core>,
}

/// Who runs where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorePlan {
    /// A worker on each, in this order.
    pub workers: Vec<Core>,
    /// The lcore ids of the workers, in the same order.
    pub worker_lcores: Vec<u16>,
    /// Shadow instances and control.
    pub analyzers: Vec<Core>,
    /// EAL's main lcore; it never forwards.
    pub main_lcore: u16,
    /// What was chosen and why, for people; empty when all was given.
    pub notes: Vec<String>,
    /// True when workers share a core with the analyzers: the machine has but one.
    pub shared: bool,
}

/// Cores that were asked for and cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CoreError {
    /// A core is not there, or not for this process.
    #[error(
        "[host] {key} names core {core}, which {why}; there are {usable}. Change {key}, or leave \
         it out and umbra chooses"
    )]
    NotUsable {
        /// `workers` or `analyzers`.
        key: &'static str,
        /// The core.
        core: Core,
        /// What is wrong with it.
        why: &'static str,
        /// The cores that can be used, as a list of ranges.
        usable: String,
    },
    /// Every core is taken by the others.
    #[error(
        "[host] {taken_by} takes all cores ({usable}), none is left for {key}. Take one out of \
         {taken_by}"
    )]
    NoneLeft {
        /// What has no core.
        key: &'static str,
        /// What has them.
        taken_by: &'static str,
        /// The cores to choose from, as a list of ranges.
        usable: String,
    },
    /// More workers than lcores.
    #[error(
        "{asked} workers are more than the {max} lcores that DPDK can have beside its main one"
    )]
    TooManyWorkers {
        /// How many.
        asked: usize,
        /// At most.
        max: usize,
    },
}

impl Machine {
    /// Looks at the machine. What cannot be read is taken as empty; core 0 always is there.
    pub fn detect() -> Self {
        let read = |path: &str| parse_core_list(&std::fs::read_to_string(path).unwrap_or_default());
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let allowed = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
            .map(parse_core_list)
            .unwrap_or_default();
        let mut online = read("/sys/devices/system/cpu/online");
        online.extend(&allowed);
        if online.is_empty() {
            online.insert(Core(0));
        }
        let usable = usable(&online, &allowed);
        let isolated = read("/sys/devices/system/cpu/isolated");
        let isolated: BTreeSet<Core> = isolated.intersection(&usable).copied().collect();
        let pool = allowed.union(&isolated).copied().collect();
        Self { online, usable, pool, isolated }
    }
}

/// Cores outside the mask may still be had (isolated ones) or not (a container's cpuset): trying
/// is the only way that holds everywhere. The thread that tries ends with the mask it got.
fn usable(online: &BTreeSet<Core>, allowed: &BTreeSet<Core>) -> BTreeSet<Core> {
    let others: Vec<Core> = online.difference(allowed).copied().collect();
    if others.is_empty() {
        return allowed.clone();
    }
    let tried = std::thread::spawn(move || {
        let can_run_on = |core: &Core| {
            core_affinity::set_for_current(core_affinity::CoreId { id: core.0.into() })
        };
        others.into_iter().filter(can_run_on).collect::<Vec<_>>()
    });
    allowed.iter().copied().chain(tried.join().unwrap_or_default()).collect()
}

/// Reads a list such as `0-3,8`, as the kernel writes them.
fn parse_core_list(text: &str) -> BTreeSet<Core> {
    let mut cores = BTreeSet::new();
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.trim().parse(), last.trim().parse::<u16>()) {
            cores.extend((first..=last.min(4096)).map(Core));
        }
    }
    cores
}

/// Writes cores as a list of ranges: `0-3,8`.
pub fn core_list(cores: impl IntoIterator<Item = Core>) -> String {
    let sorted: BTreeSet<u16> = cores.into_iter().map(|core| core.0).collect();
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for core in sorted {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == core => *last = core,
            _ => ranges.push((core, core)),
        }
    }
    let text = |(first, last): &(u16, u16)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    ranges.iter().map(text).collect::<Vec<_>>().join(",")
}

/// Chooses what `[host]` leaves open, and checks what it says.
///
/// Workers: all isolated cores, but one if there are no others; without isolated cores the last
/// ones, as many as the wire with most queues asks for. Analyzers: the rest, isolated ones last.
///
/// # Errors
/// [`CoreError`] when a core named is not there, or none is left.
pub fn plan_cores(host: &Host, wires: &[Wire], machine: &Machine) -> Result<CorePlan, CoreError> {
    check_named("workers", host.workers.as_deref(), machine)?;
    check_named("analyzers", host.analyzers.as_deref(), machine)?;
    let mut notes = Vec::new();
    // Not when a core beside it is named.
    let named = [&host.workers, &host.analyzers];
    let mut named = named.into_iter().flatten().flatten();
    let only_core = machine
        .pool
        .first()
        .filter(|only| machine.pool.len() == 1 && named.all(|core| core == *only))
        .copied();
    let (workers, analyzers) = match (host.workers.clone(), host.analyzers.clone(), only_core) {
        (Some(workers), Some(analyzers), _) => (workers, analyzers),
        (_, _, Some(only)) => {
            notes.push(format!(
                "core {only} is the only one to choose: workers and analyzers share it, and \
                 forwarding suffers from analysis"
            ));
            (vec![only], vec![only])
        }
        (workers, analyzers, None) => {
            let workers = match workers {
                Some(workers) => workers,
                None => {
                    let taken = analyzers.as_deref().unwrap_or_default();
                    let (chosen, why) = choose_workers(taken, wires, machine)?;
                    notes.push(format!("workers: {} ({why})", core_list(chosen.iter().copied())));
                    chosen
                }
            };
            let analyzers = match analyzers {
                Some(analyzers) => analyzers,
                None => {
                    let rest = rest(&workers, machine);
                    if rest.is_empty() {
                        return Err(none_left("analyzers", "workers", machine));
                    }
                    let list = core_list(rest.iter().copied());
                    notes.push(format!("analyzers: {list} (the cores that do not forward)"));
                    rest
                }
            };
            (workers, analyzers)
        }
    };
    if workers.len() >= usize::from(LCORE_IDS) {
        let max = usize::from(LCORE_IDS) - 1;
        return Err(CoreError::TooManyWorkers { asked: workers.len(), max });
    }
    let shared = workers.iter().any(|core| analyzers.contains(core));
    let (worker_lcores, main_lcore) = lcore_ids(&workers, &analyzers);
    Ok(CorePlan { workers, worker_lcores, analyzers, main_lcore, notes, shared })
}

fn check_named(
    key: &'static str,
    cores: Option<&[Core]>,
    machine: &Machine,
) -> Result<(), CoreError> {
    let missing = |core: &&Core| !machine.usable.contains(core);
    let Some(&core) = cores.unwrap_or_default().iter().find(missing) else { return Ok(()) };
    let why =
        if machine.online.contains(&core) { "this process may not run on" } else { "is not there" };
    let usable = core_list(machine.usable.iter().copied());
    Err(CoreError::NotUsable { key, core, why, usable })
}

fn none_left(key: &'static str, taken_by: &'static str, machine: &Machine) -> CoreError {
    CoreError::NoneLeft { key, taken_by, usable: core_list(machine.pool.iter().copied()) }
}

fn choose_workers(
    taken: &[Core],
    wires: &[Wire],
    machine: &Machine,
) -> Result<(Vec<Core>, &'static str), CoreError> {
    let free = |core: &&Core| !taken.contains(core);
    // Somebody has to analyse: without cores named for it one stays free of workers.
    let spare = usize::from(taken.is_empty());
    let isolated: Vec<Core> = machine.isolated.iter().filter(free).copied().collect();
    let all: Vec<Core> = machine.pool.iter().filter(free).copied().collect();
    if !isolated.is_empty() {
        let others = all.len() - isolated.len();
        let keep = spare.saturating_sub(others);
        return Ok((isolated[keep..].to_vec(), "the isolated cores"));
    }
    let most = all.len().saturating_sub(spare);
    if most == 0 {
        return Err(none_left("workers", "analyzers", machine));
    }
    let asked = wires.iter().filter_map(|wire| wire.queues).max().unwrap_or(1);
    let count = usize::from(asked).clamp(1, most);
    let why = if count == 1 { "the last core" } else { "the last cores, one for each queue" };
    Ok((all[all.len() - count..].to_vec(), why))
}

fn rest(workers: &[Core], machine: &Machine) -> Vec<Core> {
    let mut rest: Vec<Core> =
        machine.pool.iter().filter(|core| !workers.contains(core)).copied().collect();
    rest.sort_by_key(|core| (machine.isolated.contains(core), *core));
    rest
}

/// lcore ids equal core numbers where they can, so that telemetry and logs read easily.
fn lcore_ids(workers: &[Core], analyzers: &[Core]) -> (Vec<u16>, u16) {
    let as_cores = workers.iter().all(|core| core.0 < LCORE_IDS);
    let ids: Vec<u16> = if as_cores {
        workers.iter().map(|core| core.0).collect()
    } else {
        (0..LCORE_IDS).take(workers.len()).collect()
    };
    let free = |id: &u16| *id < LCORE_IDS && !ids.contains(id);
    let own = analyzers.iter().map(|core| core.0).filter(|_| as_cores).find(free);
    let main = own.or_else(|| (0..LCORE_IDS).find(free)).unwrap_or(LCORE_IDS - 1);
    (ids, main)
}

/// The arguments of `rte_eal_init`, program name first: umbra's core list, then those of `[host]`
/// and of the command line, which [`super::Manifest::load_with`] has joined and checked.
pub fn arguments(host: &Host, plan: &CorePlan) -> Vec<String> {
    let mut lcores = format!("{}@({})", plan.main_lcore, core_list(plan.analyzers.iter().copied()));
    for (id, core) in plan.worker_lcores.iter().zip(&plan.workers) {
        let _ = write!(lcores, ",{id}@{core}");
    }
    let own = [
        "umbra".to_owned(),
        format!("--lcores={lcores}"),
        format!("--main-lcore={}", plan.main_lcore),
    ];
    own.into_iter().chain(host.eal.iter().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cores(ids: &[u16]) -> Vec<Core> {
        ids.iter().copied().map(Core).collect()
    }

    fn machine(usable: &[u16], isolated: &[u16]) -> Machine {
        let usable: BTreeSet<Core> = cores(usable).into_iter().collect();
        let isolated = cores(isolated).into_iter().collect();
        Machine { online: usable.clone(), pool: usable.clone(), usable, isolated }
    }

    fn host(workers: Option<&[u16]>, analyzers: Option<&[u16]>) -> Host {
        Host { workers: workers.map(cores), analyzers: analyzers.map(cores), ..Host::default() }
    }

    fn plan(host: &Host, machine: &Machine) -> CorePlan {
        plan_cores(host, &[], machine).expect("cores enough")
    }

    #[test]
    fn the_last_core_forwards_and_the_others_analyse() {
        let plan = plan(&host(None, None), &machine(&[0, 1, 2, 3], &[]));
        assert_eq!((plan.workers, plan.analyzers), (cores(&[3]), cores(&[0, 1, 2])));
        assert_eq!((plan.main_lcore, plan.shared, plan.notes.len()), (0, false, 2));
    }

    #[test]
    fn isolated_cores_forward_unless_nobody_could_analyse() {
        let some = plan(&host(None, None), &machine(&[0, 1, 2, 3], &[1, 2]));
        assert_eq!((some.workers, some.analyzers), (cores(&[1, 2]), cores(&[0, 3])));
        let all = plan(&host(None, None), &machine(&[0, 1, 2], &[0, 1, 2]));
        assert_eq!((all.workers, all.analyzers), (cores(&[1, 2]), cores(&[0])));
    }

    #[test]
    fn what_is_named_is_kept_and_the_rest_is_filled_in() {
        let two = machine(&[0, 1], &[]);
        let workers = plan(&host(Some(&[0]), None), &two);
        assert_eq!((workers.workers, workers.analyzers), (cores(&[0]), cores(&[1])));
        let analyzers = plan(&host(None, Some(&[1])), &two);
        assert_eq!((analyzers.workers, analyzers.analyzers), (cores(&[0]), cores(&[1])));
        let both = plan(&host(Some(&[1]), Some(&[0])), &two);
        assert_eq!(both.notes, [""; 0]);
    }

    #[test]
    fn a_single_core_is_shared_with_a_note() {
        let plan = plan(&host(None, None), &machine(&[5], &[]));
        assert!(plan.shared);
        assert_eq!(plan.notes.len(), 1);
        assert_ne!(plan.worker_lcores[0], plan.main_lcore);
        let arguments = arguments(&Host::default(), &plan);
        assert_eq!(arguments, ["umbra", "--lcores=0@(5),5@5", "--main-lcore=0"]);
    }

    #[test]
    fn a_mask_is_heeded_but_for_cores_that_are_named() {
        let mut four = machine(&[0, 1, 2, 3], &[]);
        four.pool = cores(&[1, 2]).into_iter().collect();
        let masked = plan(&host(None, None), &four);
        assert_eq!((masked.workers, masked.analyzers), (cores(&[2]), cores(&[1])));
        let named = plan(&host(Some(&[3]), None), &four);
        assert_eq!((named.workers, named.analyzers), (cores(&[3]), cores(&[1, 2])));
        four.pool = cores(&[1]).into_iter().collect();
        assert!(plan(&host(None, None), &four).shared);
        let named = plan(&host(None, Some(&[0])), &four);
        assert_eq!((named.workers, named.shared), (cores(&[1]), false));
    }

    #[test]
    fn arguments_begin_with_the_core_list_and_keep_the_users_order() {
        let mut host = host(Some(&[3, 2]), Some(&[0, 1]));
        host.eal = vec!["--no-pci".into(), "--vdev=net_null0".into()];
        let plan = plan(&host, &machine(&[0, 1, 2, 3], &[]));
        assert_eq!(
            arguments(&host, &plan),
            ["umbra", "--lcores=0@(0-1),3@3,2@2", "--main-lcore=0", "--no-pci", "--vdev=net_null0"]
        );
    }

    #[test]
    fn cores_beyond_the_lcore_ids_are_numbered_from_zero() {
        let plan = plan(&host(Some(&[200, 130]), Some(&[0])), &machine(&[0, 130, 200], &[]));
        assert_eq!((plan.worker_lcores, plan.main_lcore), (vec![0, 1], 2));
    }

    #[test]
    fn cores_that_cannot_be_had_are_errors_that_name_those_that_can() {
        let four = machine(&[0, 1, 2, 3], &[]);
        let error = plan_cores(&host(Some(&[7]), None), &[], &four).unwrap_err();
        assert!(error.to_string().contains("core 7, which is not there; there are 0-3"));
        let error = plan_cores(&host(Some(&[0, 1, 2, 3]), None), &[], &four).unwrap_err();
        assert!(matches!(error, CoreError::NoneLeft { key: "analyzers", .. }), "{error}");
        let error = plan_cores(&host(None, Some(&[0, 1, 2, 3])), &[], &four).unwrap_err();
        assert!(matches!(error, CoreError::NoneLeft { key: "workers", .. }), "{error}");
    }

    #[test]
    fn core_lists_are_read_and_written_as_the_kernel_does() {
        for list in ["0-3,8", "5", "0,2,4", ""] {
            assert_eq!(core_list(parse_core_list(list)), list);
        }
        assert_eq!(core_list(parse_core_list("x,3-1,-,2\n")), "2");
    }

    #[test]
    fn this_machine_has_a_core() {
        let machine = Machine::detect();
        assert!(!machine.usable.is_empty());
        assert!(machine.usable.is_subset(&machine.online));
        assert!(machine.pool.is_subset(&machine.usable));
        assert!(!machine.pool.is_empty());
    }
}
