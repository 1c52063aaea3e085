//! The example of `lockgate-client`, for authors of harnesses, at work everywhere.

use crate::everywhere;
use crate::house::House;

#[allow(dead_code)] // it is a program, of which only the work is done here
#[path = "../../../../host/client/examples/harness.rs"]
mod harness;

everywhere! {
    the_example_of_a_harness_works_with_every_executor,
}

async fn the_example_of_a_harness_works_with_every_executor(house: &House) {
    house.ran("echo 'Be brief.' > AGENTS.md").await;
    let mut said = Vec::new();
    let exit_code = harness::work(&*house.executor, &house.path(""), &mut said).await;
    let said = String::from_utf8(said).expect("text");
    assert_eq!(exit_code.expect("it works"), 7, "{said}");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        (lines[0], lines[2]),
        ("told: Be brief.", "from the harness"),
        "{said}"
    );
    assert!(
        lines[1].starts_with("refused: ") && lines.len() == 3,
        "{said}"
    );
}
