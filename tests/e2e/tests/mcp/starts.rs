//! Where a command is to run: what a form says of that, and what nobody is asked about.

use std::os::unix::fs::symlink;

use serde_json::json;

use crate::Agent;
use crate::forms::{ARGUMENTS, asking, deeds};
use crate::person::{Person, Says};

#[tokio::test]
async fn the_form_of_a_command_says_where_its_directory_leads() {
    let folder = asking();
    folder.put("real/in", "1");
    folder.put("config/all.toml", "[policy]\ndefault = \"ask\"\n");
    symlink("real", folder.path().join("link")).expect("made");
    symlink("link", folder.path().join("again\n")).expect("made");
    let at = folder.path().display().to_string();
    let leads = format!("which leads to: \"{at}/real\"");
    let unknown =
        "which leads to: not known, as it may not be looked at without asking, or cannot be";
    let external = ["--process-sandbox", "external"];
    let all = ["--unrestricted", "--config", "config/all.toml"];
    for (arguments, cwd, directory, wanted) in [
        (&["--unrestricted"][..], "real", "real", None),
        (&["--unrestricted"], "link", "link", Some(leads.as_str())),
        (&["--unrestricted"], "again\n", "again\\n", Some(&leads)),
        (&external, "link", "link", Some(&leads)),
        (&external, "/usr", "", Some(unknown)),
        (&all, "link", "link", Some(unknown)),
    ] {
        let person = Person::saying([Says::Allow]);
        let arguments = match arguments.contains(&"--config") {
            true => arguments.to_vec(),
            false => [arguments, &ARGUMENTS].concat(),
        };
        let agent = Agent::with(person.clone(), folder.path(), &arguments).await;
        agent
            .does("run", json!({"argv": ["true"], "cwd": cwd}))
            .await;
        let asked = deeds(&person);
        let line = match directory {
            "" => "directory: /".to_owned(),
            name => format!("directory: {at}/{name}"),
        };
        assert!(asked[0][2].starts_with(&line), "{asked:?}");
        let next = asked[0][3].as_str();
        match wanted {
            Some(wanted) => assert_eq!(next, wanted, "{asked:?}"),
            None => assert!(next.starts_with("confined: "), "{asked:?}"),
        }
        agent.ends().await;
    }
}

#[tokio::test]
async fn nobody_is_asked_about_a_command_in_what_is_no_directory() {
    let folder = asking();
    folder.put("f", "1");
    symlink("none", folder.path().join("dangling")).expect("made");
    symlink("round", folder.path().join("round")).expect("made");
    for arguments in [&["--unrestricted"][..], &["--process-sandbox", "external"]] {
        let person = Person::saying(vec![Says::Allow; 10]);
        let with = [arguments, &ARGUMENTS].concat();
        let asking = Agent::with(person.clone(), folder.path(), &with).await;
        let plain = Agent::start(folder.path(), arguments).await;
        for cwd in ["none", "f", "f/in", "dangling", "round", "none/in"] {
            let call = json!({"argv": ["true"], "cwd": cwd});
            let refused = asking.cannot("run", call.clone()).await;
            assert_eq!(person.asked(), Vec::<String>::new(), "{cwd}");
            assert_eq!(refused, plain.cannot("run", call).await, "{cwd}");
        }
        asking.ends().await;
        plain.ends().await;
    }
}
