//! The session over stdin and stdout: what a client is told, and how it ends.

use serde_json::json;

use crate::{Agent, Folder, soon};

#[tokio::test]
async fn run_is_offered_only_where_it_can_work() {
    let folder = Folder::new();
    for (arguments, offered) in [
        (&[][..], false),
        (&["--read", "/"], false),
        (&["--unrestricted"], true),
        (&["--process-sandbox", "external"], true),
    ] {
        let agent = Agent::start(folder.path(), arguments).await;
        let tools = soon(agent.client.list_all_tools()).await.expect("tools");
        let names: Vec<_> = tools.iter().map(|tool| tool.name.as_ref()).collect();
        assert_eq!(names.contains(&"run"), offered, "{arguments:?}: {names:?}");
        assert!(names.contains(&"read") && names.contains(&"search"));
        let instructions = agent.client.peer_info().expect("initialized");
        let instructions = instructions.instructions.as_deref().expect("instructions");
        assert_eq!(
            instructions.contains("--unrestricted"),
            !offered,
            "{instructions}"
        );
        if !offered {
            let words = agent.cannot("run", json!({"command": "true"})).await;
            assert!(words.contains("--process-sandbox external"), "{words}");
        }
        agent.ends().await;
    }
}
