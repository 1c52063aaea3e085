//! What an operator lets clients reach (`[http]` in the configuration).

use lockgate_e2e::{Refusal, Server, Wire};
use serde_json::{Value, json};

use crate::origin::{Origin, ok, to};
use crate::{body, configured, get, with};

async fn refused(wire: &mut Wire, params: Value) -> Refusal {
    let refusal = wire.call("http/request", params).await;
    let refusal = refusal.expect_err("refused");
    assert_eq!(refusal.code, -32600, "{refusal:?}");
    assert!(
        refusal.message.contains("[http] rules refuse"),
        "{refusal:?}"
    );
    refusal
}

#[tokio::test]
async fn attack_32_addresses_are_looked_at_where_a_name_leads_and_in_every_spelling() {
    let origin = Origin::new(|_| ok("reached")).await;
    let (server, _held) =
        configured("[http]\nloopback = \"deny\"\nlink_local = \"deny\"\nprivate = \"deny\"\n");
    let mut wire = Wire::ready(&server).await;
    let port = origin.port();
    for host in [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f.1",
        "0",
        "[::ffff:7f00:1]",
        "[::1]",
        "[64:ff9b::7f00:1]",
    ] {
        refused(&mut wire, get(format!("http://{host}:{port}/"))).await;
    }
    for url in [
        "http://169.254.169.254/latest/meta-data/",
        "http://[fe80::1]/",
        "http://10.0.0.1/",
        "http://[fd00::1]/",
    ] {
        let refusal = refused(&mut wire, get(url)).await;
        assert!(!refusal.message.contains("meta-data"), "{refusal:?}");
    }
    assert!(origin.asked().is_empty());
    // What a name leads to is not told.
    let refusal = refused(&mut wire, get(format!("http://localhost:{port}/"))).await;
    assert!(
        refusal.message.contains("`localhost`") && !refusal.message.contains("127.0"),
        "{refusal:?}"
    );
}

#[tokio::test]
async fn attack_32_each_hop_of_a_redirect_is_looked_at() {
    let inside = Origin::new(|_| ok("secret")).await;
    let target = inside.url("/");
    let outside = Origin::new(move |asked| match asked.what() {
        "GET /in" => to(302, &target),
        "GET /metadata" => to(307, "http://169.254.169.254/latest/"),
        "GET /relative" => to(302, "/end"),
        _ => ok("fine"),
    })
    .await;
    // The first hop by a name that is allowed, the second by one that is not; an exception for the address of both.
    let (server, _held) = configured(
        "[http]\nallow_hosts = [\"localhost\"]\nlink_local = \"deny\"\nloopback = \"deny\"\nallow_addresses = [\"127.0.0.0/8\", \"::1\"]\n",
    );
    let mut wire = Wire::ready(&server).await;
    let url = |path: &str| format!("http://localhost:{}{path}", outside.port());
    let fine = wire
        .call("http/request", get(url("/relative")))
        .await
        .expect("answered");
    assert_eq!(body(&fine), "fine");
    for path in ["/in", "/metadata"] {
        refused(&mut wire, get(url(path))).await;
        let streamed = with(get(url(path)), json!({"streamResponse": true}));
        refused(&mut wire, streamed).await;
    }
    assert!(inside.asked().is_empty());
}

#[tokio::test]
async fn hosts_and_ports_and_other_hosts_headers() {
    let origin = Origin::new(|_| ok("reached")).await;
    let port = origin.port();
    let text = format!("[http]\ndeny_hosts = [\"127.0.0.1\"]\nports = [{port}]\n");
    let (server, _held) = configured(&text);
    let mut wire = Wire::ready(&server).await;
    let fine = get(format!("http://localhost:{port}/"));
    wire.call("http/request", fine.clone())
        .await
        .expect("answered");
    refused(&mut wire, get(origin.url("/"))).await;
    refused(&mut wire, get("http://localhost:1/")).await;
    refused(
        &mut wire,
        with(
            fine,
            json!({"headers": [{"name": "host", "value": "other"}]}),
        ),
    )
    .await;
    // Without rules a host header is the client's to choose.
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let other = with(
        get(origin.url("/")),
        json!({"headers": [{"name": "host", "value": "other"}]}),
    );
    wire.call("http/request", other).await.expect("answered");
    assert_eq!(origin.asked().last().expect("asked").all("host"), ["other"]);
}

#[tokio::test]
async fn an_operator_can_switch_it_off() {
    let (server, _held) = configured("[http]\nenabled = false\n");
    let mut wire = Wire::ready(&server).await;
    for params in [get("http://127.0.0.1:1/"), json!({})] {
        let refusal = wire
            .call("http/request", params)
            .await
            .expect_err("refused");
        assert_eq!(refusal.code, -32601, "{refusal:?}");
    }
}

#[tokio::test]
async fn variables_go_into_headers_where_the_operator_says_so() {
    let origin = Origin::new(|asked| match asked.what() {
        "GET /away" => to(302, &asked.all("x-to").join("")),
        _ => ok(""),
    })
    .await;
    let other = Origin::new(|_| ok("")).await;
    let header = json!({"name": "x-key", "value": "Bearer ", "valueEnvVar": "MCP_TOKEN"});
    let asks = |path: &str| {
        with(
            get(origin.url(path)),
            json!({"headers": [header, {"name": "x-to", "value": other.url("/")}]}),
        )
    };
    let server = Server::start();
    let mut wire = Wire::connect(&server).await;
    let announced = wire
        .call("initialize", json!({"clientName": "e2e"}))
        .await
        .expect("initialized");
    assert_eq!(
        announced["environmentInfo"]["capabilities"]["httpHeaderEnvVars"],
        false
    );
    wire.send(json!({"method": "initialized"})).await;
    assert_eq!(
        wire.call("http/request", asks("/"))
            .await
            .expect_err("refused")
            .code,
        -32602
    );

    let (server, _held) = configured("[http]\nheader_env_vars = [\"MCP_TOKEN\"]\n");
    let mut wire = Wire::connect(&server).await;
    let announced = wire
        .call("initialize", json!({"clientName": "e2e"}))
        .await
        .expect("initialized");
    assert_eq!(
        announced["environmentInfo"]["capabilities"]["httpHeaderEnvVars"],
        true
    );
    wire.send(json!({"method": "initialized"})).await;
    wire.call("http/request", asks("/"))
        .await
        .expect("answered");
    assert_eq!(
        origin.asked().last().expect("asked").all("x-key"),
        ["Bearer s3cret"]
    );
    wire.call("http/request", asks("/away"))
        .await
        .expect("answered");
    assert!(other.asked().last().expect("asked").all("x-key").is_empty());
}

#[tokio::test]
async fn proxies_of_the_environment_are_used_unless_rules_about_addresses_hold() {
    let proxy = Origin::new(|asked| ok(&format!("by proxy: {}", asked.what()))).await;
    let origin = Origin::new(|_| ok("direct")).await;
    // No proxy is asked for a loopback address.
    let url = origin.url("/").replace("127.0.0.1", "localhost");
    let started = |text: &str| {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("lockgate.toml");
        std::fs::write(&file, text).expect("written");
        let mut command = Server::command();
        command
            .arg("--config")
            .arg(&file)
            .env("http_proxy", proxy.url(""))
            .env("NO_PROXY", "direct.example");
        (Server::from_command(command), directory)
    };
    let deny = "[http]\nlink_local = \"deny\"\n";
    let chosen = format!("{deny}proxy = \"environment\"\n");
    for (text, answer) in [
        ("", "by proxy: GET http://localhost:"),
        (deny, "direct"),
        (&chosen, "by proxy: GET"),
        ("[http]\nproxy = \"none\"\n", "direct"),
    ] {
        let (server, _held) = started(text);
        let mut wire = Wire::ready(&server).await;
        let result = wire
            .call("http/request", get(&url))
            .await
            .expect("answered");
        assert!(
            body(&result).starts_with(answer),
            "{text}: {}",
            body(&result)
        );
    }
    // What is a name to the proxy is none that we look up; literal addresses are looked at all the same.
    let (server, _held) = started(&chosen);
    let mut wire = Wire::ready(&server).await;
    let result = wire
        .call("http/request", get("http://name.invalid/"))
        .await
        .expect("answered");
    assert_eq!(body(&result), "by proxy: GET http://name.invalid/");
    refused(&mut wire, get("http://169.254.169.254/")).await;
}
