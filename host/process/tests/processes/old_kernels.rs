//! The ways taken where pidfds, group signals through them, or the lists of children in /proc are missing.

use lockgate_process::Support;

use crate::support::*;

const OLD: [Support; 3] = [
    Support {
        pidfd: true,
        group_pidfd: false,
        children: true,
    },
    Support {
        pidfd: false,
        group_pidfd: false,
        children: true,
    },
    Support {
        pidfd: false,
        group_pidfd: false,
        children: false,
    },
];

#[tokio::test]
async fn exits_are_noticed_and_processes_reaped() {
    for support in OLD {
        let engine = engine_with(support);
        let process = engine.spawn(script("echo x; exit 4", NO_STDIN)).unwrap();
        let all = closed(&process).await;
        assert_eq!(
            (text(&all).as_str(), all.exit_code),
            ("x\n", Some(4)),
            "{support}"
        );
        emptied(&process).await;
        assert!(
            std::fs::metadata(format!("/proc/{}", process.pid())).is_err(),
            "{support}"
        );
    }
}

#[tokio::test]
async fn what_is_left_of_a_group_is_ended_with_it() {
    for support in OLD {
        let engine = engine_with(support);
        let spawn = script(
            "sleep 1000 >/dev/null 2>&1 & echo left=$!; exit 5",
            NO_STDIN,
        );
        let process = engine.spawn(spawn).unwrap();
        let left = Watched::new(number(&process, "left").await);
        assert_eq!(closed(&process).await.exit_code, Some(5));
        let group = process.group();
        drop(process);
        assert!(group.is_alive() && !left.is_gone(), "{support}");
        drop(group);
        left.assert_ends();
    }
}

#[tokio::test]
async fn terminate_and_the_end_of_a_session_work() {
    for support in OLD {
        let engine = engine_with(support);
        let process = engine.spawn(script("sleep 1000", NO_STDIN)).unwrap();
        assert!(process.terminate());
        assert_eq!(closed(&process).await.exit_code, Some(-1), "{support}");
        let process = engine
            .spawn(script(
                "setsid sh -c 'echo far=$$; exec sleep 1000' & wait",
                NO_STDIN,
            ))
            .unwrap();
        let far = Watched::new(number(&process, "far").await);
        process.kill_tree();
        far.assert_ends();
    }
}
