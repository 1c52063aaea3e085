//! Bounds hold for what cuts itself off, and for what attacks its keeper.

use std::fs::Permissions;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use lockgate_process::{Exceeded, Process};

use crate::bounds::{TIME, limited, timed};
use crate::support::*;

/// Forks, ends, and leads a session of its own in the child, which keeps nothing that could betray it.
const DAEMON: &str = "(setsid sh -c 'echo far=$$; exec sleep 1000 </dev/null >/dev/null 2>&1' &)";

/// The parent of a process that has bounds is its holder, and the parent of that is its keeper, `$keeper` after this.
const ABOVE: &str = "read -r a b c keeper rest </proc/$PPID/stat";

async fn watched(process: &Process, name: &str) -> Watched {
    Watched::new(number(process, name).await)
}

#[tokio::test]
async fn attack_21_time_reaches_what_forked_twice_and_left_its_session() {
    let process = start(timed(&format!("{DAEMON}; exec sleep 1000")));
    let far = watched(&process, "far").await;
    let all = closed(&process).await;
    assert_eq!(
        (all.exit_code, all.exceeded),
        (Some(-1), Some(Exceeded::Time(TIME)))
    );
    far.assert_ends();
    emptied(&process).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_21_a_daemon_has_no_more_time_than_the_process_that_ended_long_ago() {
    let process = start(timed(&format!("{DAEMON}; exit 7")));
    let far = watched(&process, "far").await;
    let all = closed(&process).await;
    // It ended by itself, and in time.
    assert_eq!((all.exit_code, all.exceeded), (Some(7), None));
    far.assert_ends();
    emptied(&process).await;
}

#[tokio::test]
async fn attack_21_what_a_daemon_writes_counts() {
    // A shell gives nothing of its stdin to what it starts in the background.
    let flood = "exec 3<&0; (setsid sh -c 'echo far=$$; read x <&3; exec yes' &); exit 0";
    let process = start(limited(flood, STDIN, 100_000));
    let far = watched(&process, "far").await;
    assert_eq!(exited(&process).await, 0);
    process.write(b"\n".to_vec()).await.unwrap();
    let all = closed(&process).await;
    assert_eq!(
        (all.exit_code, all.exceeded),
        (Some(0), Some(Exceeded::Output(100_000)))
    );
    far.assert_ends();
}

#[tokio::test]
async fn a_daemon_lives_on_within_its_bounds_until_the_group_is_dropped() {
    let process = start(limited(&format!("{DAEMON}; exit 7"), NO_STDIN, 1_000));
    let far = watched(&process, "far").await;
    assert_eq!(closed(&process).await.exit_code, Some(7));
    assert!(process.group().is_alive() && !far.is_gone());
    assert!(
        !process.terminate(),
        "it has ended, and terminating ends the group only"
    );
    assert!(!far.is_gone());
    let group = process.group();
    drop(process);
    assert!(!far.is_gone());
    drop(group);
    far.assert_ends();
}

/// Its first thread ends, which makes it look like a zombie, and another one goes on.
#[tokio::test]
async fn attack_21_who_looks_dead_is_ended_too() {
    let perl = format!(
        "use threads; use POSIX; exit if fork; setsid; $| = 1; threads->create(sub {{ print \"far=$$\\n\"; close STDOUT; sleep 1000 }}); syscall({}, 0)",
        libc::SYS_exit
    );
    let process = start(limited(
        &format!("perl -e '{perl}'; read x; exec yes"),
        STDIN,
        1_000,
    ));
    let far = number(&process, "far").await;
    soon(async {
        while !std::fs::read_to_string(format!("/proc/{far}/stat"))
            .unwrap()
            .contains(") Z ")
        {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let far = Watched::new(far);
    assert!(!far.is_gone());
    process.write(b"\n".to_vec()).await.unwrap();
    let all = closed(&process).await;
    assert_eq!(all.exceeded, Some(Exceeded::Output(1_000)));
    far.assert_ends();
    emptied(&process).await;
}

/// Where the system lets anybody have one.
#[tokio::test]
async fn attack_21_namespaces_of_its_own_are_no_way_out() {
    let mark = format!("inside-{}", std::process::id());
    let inside = format!("(setsid perl -e sleep {mark} >/dev/null 2>&1 &); exec sleep 1000");
    let script = format!("(unshare -Urpf sh -c '{inside}' || echo none) >&2 & read x; exec yes");
    let process = start(limited(&script, STDIN, 1_000));
    soon(async {
        while marked(&mark) == 0 && !text(&process.log().snapshot(0, None)).contains("none") {
            tokio::task::yield_now().await;
        }
    })
    .await;
    process.write(b"\n".to_vec()).await.unwrap();
    let all = closed(&process).await;
    assert_eq!(all.exceeded, Some(Exceeded::Output(1_000)));
    emptied(&process).await;
    assert_eq!(marked(&mark), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_21_a_keeper_that_was_stopped_is_no_way_out() {
    for stopped in ["$keeper", "$PPID", "$keeper $PPID"] {
        let process = start(timed(&format!(
            "{DAEMON}; {ABOVE}; kill -STOP {stopped}; exec sleep 1000"
        )));
        let far = watched(&process, "far").await;
        let all = closed(&process).await;
        assert_eq!(
            (all.exit_code, all.exceeded),
            (Some(-1), Some(Exceeded::Time(TIME)))
        );
        far.assert_ends();
        emptied(&process).await;
    }
}

#[tokio::test]
async fn a_keeper_that_was_stopped_reports_all_the_same() {
    for stopped in ["$keeper", "$PPID", "$keeper $PPID"] {
        let script = format!("{ABOVE}; kill -STOP {stopped}; exit 3");
        let process = start(limited(&script, NO_STDIN, 1_000));
        let all = closed(&process).await;
        assert_eq!((all.exit_code, all.exceeded), (Some(3), None));
        emptied(&process).await;
    }
}

/// What fell to the guardian is in `tests/guardian.rs`: this test has none.
#[tokio::test]
async fn attack_21_who_kills_its_keeper_does_not_go_on() {
    for killed in ["$keeper", "$PPID", "$keeper $PPID", "$PPID $keeper"] {
        let script = format!("echo own=$$; {ABOVE}; read x; kill -KILL {killed}; exec sleep 1000");
        let process = start(limited(&script, STDIN, 1_000));
        let own = watched(&process, "own").await;
        process.write(b"\n".to_vec()).await.unwrap();
        let all = closed(&process).await;
        assert_eq!(
            (all.exit_code, all.exceeded),
            (Some(-1), Some(Exceeded::Unkept))
        );
        own.assert_ends();
        emptied(&process).await;
    }
}

/// It would be full of zombies soon, and each of these begins with stopping its keeper once more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_21_who_holds_its_keeper_down_does_not_hide_among_zombies() {
    let mark = format!("holding-{}", std::process::id());
    let hop = "use POSIX; my $k = pop; for (1..8) { last if !fork } for (;;) { kill STOP, $k; exit if fork; setsid }";
    let script = format!(
        "{ABOVE}; perl -e '{hop}' {mark} $keeper >/dev/null 2>&1; echo hops; read x; exec yes"
    );
    let process = start(limited(&script, STDIN, 1_000));
    until(&process, "hops").await;
    process.write(b"\n".to_vec()).await.unwrap();
    let all = closed(&process).await;
    assert_eq!(all.exceeded, Some(Exceeded::Output(1_000)));
    emptied(&process).await;
    assert_eq!(marked(&mark), 0);
}

#[tokio::test]
async fn a_keeper_takes_no_signal_that_can_be_refused() {
    let signals = "HUP INT QUIT TERM USR1 USR2 PIPE ALRM";
    let script =
        format!("{ABOVE}; for s in {signals}; do kill -$s $PPID $keeper; done; echo on; exit 5");
    let all = closed(&start(limited(&script, NO_STDIN, 1_000))).await;
    assert_eq!(
        (text(&all).as_str(), all.exit_code, all.exceeded),
        ("on\n", Some(5), None)
    );
}

/// A score of programs, each of which lives for no longer than it takes to fork, and leads a session of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_21_what_hops_from_process_to_process_is_caught() {
    let mark = format!("hopping-{}", std::process::id());
    let hop = "use POSIX; for (1..20) { last if !fork } for (;;) { exit if fork; setsid }";
    let script = format!("perl -e '{hop}' {mark} >/dev/null 2>&1; echo hops; read x; exec yes");
    let process = start(limited(&script, STDIN, 1_000));
    until(&process, "hops").await;
    soon(async {
        while marked(&mark) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    process.write(b"\n".to_vec()).await.unwrap();
    let all = closed(&process).await;
    assert_eq!(all.exceeded, Some(Exceeded::Output(1_000)));
    emptied(&process).await;
    assert_eq!(marked(&mark), 0);
}

/// How many processes have this in their command line.
fn marked(mark: &str) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    let perl = |line: &Vec<u8>| line.starts_with(b"perl\0");
    lines
        .filter(|line| perl(line) && String::from_utf8_lossy(line).contains(mark))
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_keepers_at_once_end_all_that_is_theirs() {
    let processes: Vec<Arc<Process>> = (0..20)
        .map(|_| {
            start(limited(
                &format!("{DAEMON}; exec sleep 1000"),
                NO_STDIN,
                1_000,
            ))
        })
        .collect();
    let mut daemons = Vec::new();
    for process in &processes {
        daemons.push(watched(process, "far").await);
    }
    for (process, far) in processes.iter().zip(daemons) {
        process.kill_tree();
        assert_eq!(closed(process).await.exit_code, Some(-1));
        far.assert_ends();
        emptied(process).await;
    }
}

#[tokio::test]
async fn keepers_and_holders_are_small_and_hold_nothing() {
    let script = format!("{ABOVE}; echo keeper=$keeper; echo holder=$PPID; read x");
    let process = start(limited(&script, STDIN, 1_000));
    for name in ["keeper", "holder"] {
        holds_nothing(number(&process, name).await).await;
    }
}

async fn holds_nothing(pid: i32) {
    let fds = || std::fs::read_dir(format!("/proc/{pid}/fd"));
    if !rustix::process::geteuid().is_root() {
        // Who may not look at that may not trace it either.
        assert_eq!(fds().unwrap_err().kind(), ErrorKind::PermissionDenied);
        return;
    }
    let held = || {
        let targets = fds().unwrap().flatten();
        let mut kinds: Vec<String> = targets
            .filter_map(|fd| std::fs::read_link(fd.path()).ok())
            .map(|target| {
                target
                    .to_str()
                    .unwrap()
                    .split(':')
                    .next()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        kinds.sort();
        kinds
    };
    // Once it has returned from starting the process, which has begun already.
    soon(async {
        while held()
            != [
                "/dev/null",
                "/dev/null",
                "/dev/null",
                "anon_inode",
                "socket",
            ]
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    assert_eq!(std::fs::read(format!("/proc/{pid}/environ")).unwrap(), b"");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let own: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
        .unwrap();
    assert!(own < 2048, "{own} KiB of its own");
    assert!(status.contains("Threads:\t1\n"), "{status}");
}

/// Root sees and ends what others must not: the same once more as one of these.
#[test]
fn keepers_hold_for_an_ordinary_user_too() {
    as_user(65_534, &["env"], &["keepers::", "--test-threads", "2"]);
}

/// The system is full then: neither the server nor anybody else gets another thread.
#[test]
fn attack_21_a_fork_bomb_is_ended() {
    let limit = format!("--nproc={PROCESSES}");
    let bomb = &["keepers::a_fork_bomb", "--include-ignored"];
    as_user(54_321, &["prlimit", &limit], bomb);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a limit on processes and nobody else below it: attack_21_a_fork_bomb_is_ended sees to that"]
async fn a_fork_bomb() {
    let mark = format!("bomb-{}", std::process::id());
    let script = format!("perl -e 'fork while 1' {mark} >/dev/null 2>&1 & read x; exec yes");
    let process = start(limited(&script, STDIN, 1_000));
    soon(async {
        // Some are for the test itself.
        while marked(&mark) < PROCESSES - 50 || std::thread::Builder::new().spawn(|| {}).is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    process.write(b"\n".to_vec()).await.unwrap();
    let all = closed(&process).await;
    assert_eq!(all.exceeded, Some(Exceeded::Output(1_000)));
    emptied(&process).await;
    assert_eq!(marked(&mark), 0);
}

/// As many as that user may have.
const PROCESSES: usize = 200;

/// Runs tests of this file as somebody else, where this is root, by way of another program.
fn as_user(user: u32, way: &[&str], arguments: &[&str]) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    // Where tests and examples lie as they do here, and that user may be.
    let stage = tempfile::tempdir().unwrap();
    let own = std::env::current_exe().unwrap();
    let built = own.ancestors().nth(2).unwrap();
    for (folder, from) in [("deps", &own), ("examples", &built.join("examples/keeper"))] {
        std::fs::create_dir(stage.path().join(folder)).unwrap();
        let to = stage.path().join(folder).join(from.file_name().unwrap());
        std::fs::copy(from, to).unwrap();
    }
    std::fs::set_permissions(stage.path(), Permissions::from_mode(0o755)).unwrap();
    let said = Command::new(way[0])
        .args(&way[1..])
        .arg(stage.path().join("deps").join(own.file_name().unwrap()))
        .args(arguments)
        .uid(user)
        .gid(user)
        .current_dir("/")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&said.stdout);
    assert!(
        said.status.success() && !text.contains(" 0 passed"),
        "{text}"
    );
}
