//! What is neither file nor directory, and files that are not what they seem: no request hangs or reads without end
//! (ATTACKS.md 15 and 16). Every call below has the harness's deadline.

use std::fs::File;
use std::os::unix::net::UnixListener;

use lockgate_e2e::{Ground, Server, Shape, Way, Wire};
use serde_json::json;

#[tokio::test]
async fn attack_15_fifos_sockets_and_devices_are_never_waited_for() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    for shape in Shape::BOTH {
        let ground = Ground::new();
        ground.make(&[
            "f=x",
            "d/g=x",
            "zero>/dev/zero",
            "tty>/dev/tty",
            "to-fifo>fifo",
        ]);
        ground.make_fifo("fifo");
        ground.make_fifo("d/fifo");
        let _socket = UnixListener::bind(ground.path("socket")).expect("bound");
        let table = [
            ("read fifo", "not regular"),
            ("read to-fifo", "not regular"),
            ("stream fifo", "not regular"),
            ("write fifo x", "not regular"),
            ("write to-fifo x", "not regular"),
            ("read! fifo", "not regular"),
            ("write! fifo x", "not regular"),
            ("read socket", "not regular"),
            ("write socket x", "not regular"),
            ("read zero", "not regular"),
            ("stream zero", "not regular"),
            ("read tty", "not regular"),
            ("stream tty", "not regular"),
            ("stat fifo", "other"),
            ("stat to-fifo", "link to other"),
            ("stat socket", "other"),
            ("stat zero", "link to other"),
            ("list .", "d/ f fifo? socket? to-fifo? tty? zero?"),
            ("list fifo", "notdir"),
            ("real to-fifo", "fifo"),
            ("walk .", "d/ d/g f"),
            ("mkdirs fifo", "exist"),
            ("copy fifo x", "unsupported"),
            ("copy socket x", "unsupported"),
            ("copy f fifo", "not regular"),
            ("copytree d tree", "ok"),
            ("list tree", "g"),
            ("copytree fifo x", "unsupported"),
            ("rm fifo", "ok"),
            ("rm socket", "ok"),
            ("rm zero", "ok"),
            ("stat /dev/zero", "other"),
        ];
        ground.table(&mut wire, &Way::direct(shape), &table).await;
    }
}

#[tokio::test]
async fn attack_15_files_that_the_kernel_makes_up_are_read_to_their_end() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    let table = [
        ("read /proc/sys/kernel/ostype", "Linux\n"),
        ("stream /proc/sys/kernel/ostype", "Linux\n"),
        ("copy /proc/sys/kernel/ostype copied", "ok"),
        ("read copied", "Linux\n"),
    ];
    ground
        .table(&mut wire, &Way::direct(Shape::Late), &table)
        .await;
}

#[tokio::test]
async fn attack_16_a_sparse_file_of_a_tebibyte_is_refused_whole_and_read_in_blocks() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    let path = ground.path("sparse");
    let sparse = File::create(&path).expect("made");
    sparse.set_len(1 << 40).expect("sparse");
    let found = wire
        .call("fs/getMetadata", json!({"path": path}))
        .await
        .expect("found");
    assert_eq!(found["size"], 1_u64 << 40);
    let refusal = wire
        .call("fs/readFile", json!({"path": path}))
        .await
        .expect_err("too large");
    assert_eq!(refusal.code, -32600);
    wire.call("fs/open", json!({"handleId": "h", "path": path}))
        .await
        .expect("opened");
    for (offset, len, chunk, eof) in [
        (1_u64 << 39, 3, "AAAA", false),
        (0, 3, "AAAA", false),
        ((1 << 40) - 3, 3, "AAAA", false),
        ((1 << 40) - 3, 4, "AAAA", true),
    ] {
        let block = json!({"handleId": "h", "offset": offset, "len": len});
        let block = wire.call("fs/readBlock", block).await;
        assert_eq!(block, Ok(json!({"chunk": chunk, "eof": eof})), "{offset}");
    }
}
