//! Directories with more in them than a message may have values: a client would end the connection over the answer.

use lockgate_client::executor::Files;
use lockgate_client::{AbsPath, Client, ConnectOptions};
use lockgate_e2e::{Ground, Profile, Server, Shape};
use serde_json::json;

/// Each is four values of the answer, of which there may be 262,144.
const MOST: usize = 65_000;

#[tokio::test]
async fn a_listing_that_fits_no_message_is_refused_and_costs_nothing_else() {
    let ground = Ground::new();
    ground.make(&["full/"]);
    for number in 0..MOST {
        std::fs::File::create(ground.path(&format!("full/{number}"))).expect("made");
    }
    for number in 0..1_000 {
        std::fs::File::create(ground.path(&format!("full/more{number}"))).expect("made");
    }
    let server = Server::start();
    let client = Client::connect_ws(server.url(), ConnectOptions::default()).await;
    let client = client.expect("connects");
    let full = AbsPath::parse(ground.path("full")).expect("a path");
    let profile = Profile::new().read("/").in_shape(Shape::Late);
    let profile = serde_json::from_value(profile).expect("a profile");
    for within in [None, Some(&profile)] {
        let refused = client.list(&full, within).await.expect_err("too many");
        assert_eq!(refused.code(), Some(-32600), "{refused}");
        assert!(
            refused.to_string().contains("262144 JSON values"),
            "{refused}"
        );
        client.status().await.expect("the connection is there");
    }
    // Nor does it matter how many ask at once.
    let path = client.path(full.clone());
    let operation = json!({"method": "fs/readDirectory", "params": {"path": path}});
    let params = json!({"operations": vec![operation; 4]});
    let refused = client
        .call::<_, serde_json::Value>("lockgate/fs/batch", &params)
        .await;
    assert_eq!(refused.expect_err("too many").code(), Some(-32600));
    client.status().await.expect("the connection is there");
    for number in 0..1_000 {
        std::fs::remove_file(ground.path(&format!("full/more{number}"))).expect("removed");
    }
    let listed = client.list(&full, None).await.expect("listed");
    assert_eq!(listed.len(), MOST);
}
