//! Which rule counts where several speak: protected names, denials, globs, single entries inside others (PROTOCOL 6.3).

use lockgate_e2e::{Ground, Profile};

use crate::confined;

fn write_w(ground: &Ground) -> Profile {
    Profile::new().write(ground.path("w"))
}

#[tokio::test]
async fn attack_13_protected_names_are_read_only_there_or_not() {
    confined(
        &[
            "w/.git/config=c",
            "w/f=x",
            "w/sub/.git/config=c",
            "w/to-git>.git",
        ],
        write_w,
        &[
            ("read w/.git/config", "c"),
            ("list w/.git", "config"),
            ("write w/.git/config x", "rofs"),
            ("write w/.git/hooks x", "rofs"),
            ("write w/to-git/config x", "rofs"),
            ("mkdirs w/.git/hooks", "rofs"),
            ("rm w/.git/config", "rofs"),
            ("rmtree w/.git", "rofs"),
            ("rmforce w/.git", "rofs"),
            ("copy w/f w/.git/config", "rofs"),
            ("copytree w/sub w/.git", "rofs"),
            ("mkdir w/.codex", "rofs"),
            ("mkdirs w/.codex/x", "rofs"),
            ("write w/.codex x", "rofs"),
            ("write w/.codex/config.toml x", "rofs"),
            ("copy w/f w/.codex", "rofs"),
            ("copy w/to-git w/.agents", "rofs"),
            ("copytree w/sub w/.agents", "rofs"),
            ("mkdir w/.agents", "rofs"),
            ("write w/.gitignore x", "ok"),
            ("write w/sub/.git/config x", "ok"),
            ("copytree w/.git w/taken", "ok"),
        ],
        |ground| {
            assert_eq!(ground.text("w/.git/config"), "c");
            assert!(!ground.has("w/.codex") && !ground.has("w/.agents"));
        },
    )
    .await;
}

#[tokio::test]
async fn attack_13_a_removed_tree_keeps_the_protected_part_of_it() {
    confined(
        &["a/w/.git/config=c", "a/w/f=x"],
        |ground| {
            Profile::new()
                .write(ground.path("a"))
                .write(ground.path("a/w"))
        },
        &[
            ("rmtree a/w", "rofs"),
            ("rmforce a/w", "rofs"),
            ("rmtree a/w/.git", "rofs"),
        ],
        |ground| assert_eq!(ground.text("a/w/.git/config"), "c"),
    )
    .await;
}

#[tokio::test]
async fn an_explicit_write_entry_opens_a_protected_name() {
    confined(
        &["w/.git/config=c", "w/f=x"],
        |ground| write_w(ground).write(ground.path("w/.git")),
        &[
            ("write w/.git/config new", "ok"),
            ("mkdir w/.codex", "rofs"),
            ("mkdir w/.agents", "rofs"),
        ],
        |ground| assert_eq!(ground.text("w/.git/config"), "new"),
    )
    .await;
}

#[tokio::test]
async fn the_most_specific_entry_wins_and_a_denial_wins_a_tie() {
    confined(
        &[
            "w/ro/rw/f=x",
            "w/ro/f=x",
            "w/no/f=s",
            "w/no/yes/f=y",
            "w/tie/f=s",
            "w/both/f=b",
        ],
        |ground| {
            write_w(ground)
                .read(ground.path("w/ro"))
                .write(ground.path("w/ro/rw"))
                .deny(ground.path("w/no"))
                .read(ground.path("w/no/yes"))
                .write(ground.path("w/tie"))
                .deny(ground.path("w/tie"))
                .read(ground.path("w/both"))
                .write(ground.path("w/both"))
        },
        &[
            ("write w/ro/f x", "rofs"),
            ("write w/ro/rw/f new", "ok"),
            ("read w/no/f", "noent"),
            ("stat w/no/f", "noent"),
            ("stream w/no/f", "noent"),
            ("real w/no/f", "noent"),
            ("write w/no/f x", "access"),
            ("rm w/no/f", "access"),
            ("read w/no/yes/f", "y"),
            ("write w/no/yes/f x", "rofs"),
            ("read w/tie/f", "noent"),
            ("write w/tie/f x", "access"),
            ("list w/tie", "noent"),
            ("write w/both/f new", "ok"),
            ("copytree w w-copy", "access"),
            ("list w", "both/ no/ ro/"),
        ],
        |ground| {
            assert_eq!(
                (ground.text("w/no/f"), ground.text("w/tie/f")),
                ("s".into(), "s".into())
            );
        },
    )
    .await;
}

#[tokio::test]
async fn attack_11_what_is_only_readable_is_not_truncated() {
    confined(
        &["r/f=text", "w/l>$/r/f", "w/empty="],
        |ground| write_w(ground).read(ground.path("r")),
        &[
            ("write r/f ", "rofs"),
            ("write w/l ", "rofs"),
            ("copy w/empty r/f", "rofs"),
            ("copy w/empty w/l", "rofs"),
        ],
        |ground| assert_eq!(ground.text("r/f"), "text"),
    )
    .await;
}

#[tokio::test]
async fn attack_12_what_a_glob_denies_is_denied_to_every_method_and_name() {
    confined(
        &[
            "w/a.env=s",
            "w/d/b.env=s",
            "w/d/ok=o",
            "w/l>d/b.env",
            "w/keys/k=s",
        ],
        |ground| {
            write_w(ground)
                .cwd(ground.path("w"))
                .deny_glob("**/*.env")
                .deny_glob("keys/**")
        },
        &[
            ("read w/a.env", "noent"),
            ("read w/d/b.env", "noent"),
            ("read w/l", "noent"),
            ("stream w/a.env", "noent"),
            ("stat w/d/b.env", "noent"),
            ("write w/new.env x", "access"),
            ("copy w/d/ok w/c.env", "access"),
            ("copy w/a.env w/taken", "noent"),
            ("read w/keys/k", "noent"),
            ("outline w/a.env", "noent"),
            ("outline w/d", "ok"),
            ("copytree w/d w/tree", "ok"),
            ("list w/tree", "ok"),
            ("read w/d/ok", "o"),
            ("rmtree w/d", "notempty"),
        ],
        |ground| {
            assert_eq!(ground.text("w/d/b.env"), "s");
            assert!(!ground.has("w/taken") && !ground.has("w/new.env"));
        },
    )
    .await;
}
