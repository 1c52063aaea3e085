//! What goes onto the wire, as snapshots; and the hand-written encoders against the typed ones.

use std::fmt::Write as _;

use lockgate_grant::AbsPath;
use lockgate_wire::environment::{
    Capabilities, EnvironmentInfo, LockgateCapabilities, Shell, Status, StatusResult,
};
use lockgate_wire::lifecycle::{InitializeParams, InitializeResult};
use lockgate_wire::lockgate::approval::ClientExtensions;
use lockgate_wire::lockgate::files::*;
use lockgate_wire::lockgate::process::{ListResult, ListedProcess, ResizeParams};
use lockgate_wire::process::*;
use lockgate_wire::*;
use proptest::prelude::*;
use serde::Serialize;

fn uri(path: &str) -> WirePath {
    WirePath::uri(AbsPath::parse(path).expect("a path"))
}

fn native(path: &str) -> WirePath {
    WirePath::native(AbsPath::parse(path).expect("a path"))
}

fn lines(messages: &[&dyn erased::Json]) -> String {
    messages.iter().fold(String::new(), |mut text, message| {
        writeln!(text, "{}", message.json()).expect("a string takes it");
        text
    })
}

/// Different types in one list.
mod erased {
    pub(super) trait Json {
        fn json(&self) -> String;
    }
    impl<T: super::Serialize> Json for T {
        fn json(&self) -> String {
            serde_json::to_string(self).expect("encodes")
        }
    }
}

#[test]
fn lifecycle_and_environment() {
    let info = EnvironmentInfo {
        shell: Shell {
            name: "bash".into(),
            path: "/bin/bash".into(),
        },
        executor_version: "0.1.0".into(),
        provider_id: None,
        cwd: Some(uri("/work dir")),
        user_home_dir: Some(uri("/home/u")),
        platform_os: Some("linux".into()),
        prepend_path_dirs: vec![],
        temporary_directories: Some(vec![uri("/tmp")]),
        temp_dir: Some(uri("/tmp")),
        capabilities: Capabilities {
            sandboxed_file_streaming: true,
            lockgate: Some(LockgateCapabilities {
                // What a server has changes; the shape does not.
                methods: [
                    Method::LockgateProcessResize,
                    Method::LockgateProcessCloseStdin,
                    Method::LockgateProcessSignal,
                    Method::LockgateProcessList,
                ]
                .map(|method| method.name().to_owned())
                .to_vec(),
                start_size: true,
                start_wait_for_reader: true,
                open_modes: vec!["append".into()],
                replace_only_new: true,
                only_if_sha256: true,
                every_entry: true,
                every_attribute: true,
                prune_links: true,
                copy_leaves_out: true,
                output_bytes: true,
                approvals: true,
            }),
            ..Capabilities::default()
        },
    };
    let text = lines(&[
        &InitializeParams {
            client_name: "c".into(),
            resume_session_id: None,
            lockgate: None,
        },
        &InitializeParams {
            client_name: "c".into(),
            resume_session_id: None,
            lockgate: Some(ClientExtensions { approvals: true }),
        },
        &InitializeResult {
            session_id: "s".into(),
            environment_info: None,
        },
        &InitializeResult {
            session_id: "s".into(),
            environment_info: Some(info),
        },
        &StatusResult {
            status: Status::Ready,
        },
        &Empty {},
    ]);
    insta::assert_snapshot!(text);
}

#[test]
fn processes() {
    let start = StartParams {
        process_id: "p".into(),
        metadata: None,
        argv: vec!["sh".into()],
        cwd: native("/w"),
        env_policy: Some(EnvPolicy {
            inherit: Inherit::Core,
            ignore_default_excludes: true,
            exclude: vec!["A*".into()],
            set: [("B".to_owned(), "1".to_owned())].into(),
            include_only: vec![],
        }),
        env: Default::default(),
        tty: true,
        pipe_stdin: false,
        arg0: None,
        sandbox: None,
        enforce_managed_network: false,
        managed_network: None,
        network_proxy: None,
        shell_snapshot: None,
        wait_for_reader: true,
        size: Some(TerminalSize {
            rows: 50,
            cols: 132,
        }),
    };
    let chunk = OutputChunk {
        seq: 1,
        stream: Stream::Pty,
        chunk: b"hi".to_vec().into(),
    };
    let text = lines(&[
        &start,
        &StartResult {
            process_id: "p".into(),
            sandbox_type: Some("none".into()),
        },
        &ReadParams {
            process_id: "p".into(),
            after_seq: Some(3),
            max_bytes: None,
            wait_ms: Some(10),
        },
        &ReadResult {
            chunks: vec![chunk],
            next_seq: 2,
            exit_code: Some(0),
            ..ReadResult::default()
        },
        &WriteParams {
            process_id: "p".into(),
            chunk: Base64Text::encode(b"in\n"),
            write_id: Some("1".into()),
        },
        &[
            WriteStatus::Accepted,
            WriteStatus::UnknownProcess,
            WriteStatus::StdinClosed,
            WriteStatus::Starting,
        ]
        .map(|status| WriteResult { status }),
        &SignalParams {
            process_id: "p".into(),
            signal: Signal::Interrupt,
        },
        &TerminateResult { running: true },
        &ExitedNotification {
            process_id: "p".into(),
            seq: 2,
            exit_code: 143,
            sandbox_denied: None,
        },
        &ExitedNotification {
            process_id: "p".into(),
            seq: 2,
            exit_code: 0,
            sandbox_denied: Some(false),
        },
        &ClosedNotification {
            process_id: "p".into(),
            seq: 3,
        },
        &ResizeParams {
            process_id: "p".into(),
            rows: 1,
            cols: 2,
        },
        &ListResult {
            processes: vec![ListedProcess {
                process_id: "p".into(),
                pid: 7,
                tty: false,
                exited: false,
                exit_code: None,
            }],
        },
    ]);
    insta::assert_snapshot!(text);
}

#[test]
fn files() {
    let text = lines(&[
        &fs::ReadFileParams::<lockgate_grant::Sandbox> {
            path: uri("/a b/%/\u{e9}"),
            sandbox: None,
            follow_symlinks: None,
        },
        &fs::WriteFileParams::<lockgate_grant::Sandbox> {
            path: native("/a"),
            data_base64: Base64Text::encode(b"x"),
            only_if_sha256: None,
            sandbox: None,
            follow_symlinks: Some(false),
        },
        &fs::MetadataResult {
            is_directory: false,
            is_file: true,
            is_symlink: false,
            size: 8,
            created_at_ms: 0,
            modified_at_ms: -1,
            kind: None,
            mode: None,
            uid: None,
            gid: None,
            nlink: None,
        },
        &fs::MetadataResult {
            is_directory: false,
            is_file: false,
            is_symlink: true,
            size: 0,
            created_at_ms: 0,
            modified_at_ms: 0,
            kind: Some(fs::FileKind::Socket),
            mode: Some(0o4755),
            uid: Some(1000),
            gid: Some(0),
            nlink: Some(2),
        },
        &fs::ReadDirectoryParams::<lockgate_grant::Sandbox> {
            path: uri("/a"),
            sandbox: None,
            every_entry: false,
        },
        &fs::ReadDirectoryParams::<lockgate_grant::Sandbox> {
            path: uri("/a"),
            sandbox: None,
            every_entry: true,
        },
        &fs::ReadDirectoryResult {
            entries: vec![fs::DirectoryEntry {
                file_name: "a".into(),
                is_directory: true,
                is_file: false,
                kind: None,
                leads_to: None,
                name_base64: None,
            }],
            truncated: false,
        },
        &fs::ReadDirectoryResult {
            entries: vec![fs::DirectoryEntry {
                file_name: "a\u{fffd}".into(),
                is_directory: true,
                is_file: false,
                kind: Some(fs::FileKind::Symlink),
                leads_to: Some(fs::LeadsTo::Directory),
                name_base64: Some(b"a\xff".to_vec().into()),
            }],
            truncated: true,
        },
        &[
            fs::FileKind::File,
            fs::FileKind::Directory,
            fs::FileKind::Symlink,
            fs::FileKind::Fifo,
            fs::FileKind::Socket,
            fs::FileKind::BlockDevice,
            fs::FileKind::CharacterDevice,
            fs::FileKind::Unknown,
        ],
        &[
            fs::LeadsTo::File,
            fs::LeadsTo::Directory,
            fs::LeadsTo::Other,
            fs::LeadsTo::Nowhere,
        ],
        &fs::WalkParams::<lockgate_grant::Sandbox> {
            path: uri("/a"),
            options: fs::WalkOptions {
                max_depth: 1,
                max_directories: 2,
                max_entries: 3,
                follow_directory_symlinks: false,
                prune_hidden_directories: true,
                prune_links: true,
            },
            sandbox: None,
        },
        &fs::WalkResult {
            entries: vec![fs::WalkEntry {
                path: uri("/a/b"),
                kind: fs::WalkKind::Directory,
            }],
            errors: vec![fs::WalkError {
                path: uri("/a/c"),
                message: "no".into(),
            }],
            truncated: false,
        },
        &fs::CopyParams::<lockgate_grant::Sandbox> {
            source_path: uri("/a"),
            destination_path: uri("/b"),
            recursive: false,
            leave_out: false,
            sandbox: None,
        },
        &fs::CopyParams::<lockgate_grant::Sandbox> {
            source_path: uri("/a"),
            destination_path: uri("/b"),
            recursive: true,
            leave_out: true,
            sandbox: None,
        },
        &fs::CopyResult::default(),
        &fs::CopyResult {
            left_out: vec![lockgate_wire::lockgate::tree::LeftOut {
                name: "d/f".into(),
                reason: "no".into(),
            }],
            left_out_count: 1,
        },
        &fs::RemoveParams::<lockgate_grant::Sandbox> {
            path: uri("/a"),
            recursive: None,
            force: Some(false),
            sandbox: None,
            follow_symlinks: None,
        },
        &fs::OpenParams::<lockgate_grant::Sandbox> {
            handle_id: "h".into(),
            path: uri("/a"),
            sandbox: None,
            mode: fs::OpenMode::Read,
            follow_symlinks: None,
        },
        &[
            fs::OpenMode::Replace,
            fs::OpenMode::Append,
            fs::OpenMode::Update,
        ],
        &fs::ReadBlockParams {
            handle_id: "h".into(),
            offset: 0,
            len: 1,
        },
        &fs::WriteBlockParams {
            handle_id: "h".into(),
            offset: Some(7),
            chunk: Base64Text::encode(b"x"),
        },
        &fs::WriteBlockParams {
            handle_id: "h".into(),
            offset: None,
            chunk: Base64Text::encode(b"x"),
        },
    ]);
    insta::assert_snapshot!(text);
}

#[test]
fn our_file_methods() {
    let text = lines(&[
        &RenameParams::<lockgate_grant::Sandbox> {
            source_path: uri("/a"),
            destination_path: native("/b"),
            overwrite: None,
            sandbox: None,
        },
        &SymlinkParams::<lockgate_grant::Sandbox> {
            target: "../\u{e9}".into(),
            path: uri("/l"),
            sandbox: None,
        },
        &ReadLinkParams::<lockgate_grant::Sandbox> {
            path: uri("/l"),
            sandbox: None,
        },
        &ReadLinkResult {
            target: lockgate_wire::lockgate::tree::FileName::new(b"../a".to_vec()),
        },
        &ReadLinkResult {
            target: lockgate_wire::lockgate::tree::FileName::new(vec![b'a', 0xff]),
        },
        &SetModeParams::<lockgate_grant::Sandbox> {
            path: uri("/a"),
            mode: 0o640,
            sandbox: None,
            follow_symlinks: Some(false),
        },
        &SetTimesParams::<lockgate_grant::Sandbox> {
            path: uri("/a"),
            accessed_at_ms: None,
            modified_at_ms: Some(1_700_000_000_000),
            sandbox: None,
            follow_symlinks: None,
        },
        &ReplaceFileParams::<lockgate_grant::Sandbox> {
            path: uri("/a"),
            data_base64: Base64Text::encode(b"x"),
            durable: true,
            mode: Some(0o600),
            only_new: false,
            only_if_sha256: None,
            sandbox: None,
            follow_symlinks: None,
        },
        &AppendFileParams::<lockgate_grant::Sandbox> {
            path: uri("/a"),
            data_base64: Base64Text::encode(b"y"),
            sandbox: None,
            follow_symlinks: None,
        },
    ]);
    insta::assert_snapshot!(text);
}

#[test]
fn our_batches_trees_and_watches() {
    use lockgate_wire::lockgate::{batch, tree, watch};
    let look = lockgate_wire::fs::GetMetadataParams::<lockgate_grant::Sandbox> {
        path: uri("/a"),
        sandbox: None,
        follow_symlinks: None,
        every_attribute: false,
    };
    let operation = batch::BatchOperation::new(Method::FsGetMetadata, &look).expect("JSON");
    let text = lines(&[
        &batch::BatchParams::<_, lockgate_grant::Sandbox> {
            operations: vec![operation],
            sandbox: None,
            stop_on_error: true,
        },
        &tree::OpenTreeParams::<lockgate_grant::Sandbox> {
            handle_id: "t".into(),
            path: uri("/d"),
            sandbox: None,
            mode: None,
        },
        &tree::WriteTreeBlockParams {
            handle_id: "t".into(),
            offset: 512,
            chunk: Base64Text::encode(b"x"),
        },
        &tree::FinishTreeParams {
            handle_id: "t".into(),
        },
        &tree::TreeResult {
            files: 1,
            left_out: vec![lockgate_wire::lockgate::tree::LeftOut {
                name: "run/socket".into(),
                reason: "why".into(),
            }],
            left_out_count: 1,
            special_bits: 2,
            times_before_1970: 3,
            ..tree::TreeResult::default()
        },
        &watch::WatchParams::<lockgate_grant::Sandbox> {
            watch_id: "w".into(),
            path: native("/d"),
            recursive: true,
            sandbox: None,
        },
        &watch::ChangedNotification {
            watch_id: "w".into(),
            changes: vec![watch::Change {
                path: native("/d/new"),
                kind: watch::ChangeKind::Created,
            }],
            overflowed: true,
        },
        &lockgate_wire::fs::WatchMissingResult { watching: true },
        &lockgate_wire::fs::MissingChangedNotification { watch_id: 1 },
    ]);
    insta::assert_snapshot!(text);
}

#[test]
fn messages() {
    let text = [
        response(&Id::Number(1), &Empty {}),
        response(&Id::String("\"x\"".into()), &[1, 2]),
        error(
            Some(&Id::Number(2)),
            code::METHOD_NOT_FOUND,
            "no \"such\" method",
        ),
        error(None, code::INVALID_REQUEST, "failed to parse"),
        notification(notify::INITIALIZED, &Empty {}),
        request(
            &Id::Number(3),
            Method::FsClose.name(),
            &fs::CloseParams {
                handle_id: "h".into(),
            },
        )
        .expect("encodes"),
        file_result(&Id::Number(4), b"contents"),
        block_result(&Id::Number(5), b"", true),
        output_notification("p\"1", 7, Stream::Stderr, b"oops\n"),
    ]
    .join("\n");
    insta::assert_snapshot!(text);
}

#[test]
fn an_http_request_has_its_defaults_and_shows_no_secrets() {
    let text = r#"{"method":"GET","url":"https://u:s3cret@a/?s3cret","requestId":"http-1","headers":[{"name":"x","value":"s3cret"}],"bodyBase64":null}"#;
    let params: http::RequestParams<'_> = serde_json::from_str(text).expect("params");
    assert_eq!(params.redirect_policy, http::RedirectPolicy::Follow);
    assert!(!params.stream_response && params.timeout_ms.is_none() && params.body_base64.is_none());
    let shown = format!("{params:?} {:?}", params.headers);
    assert!(!shown.contains("s3cret"), "{shown}");
    let stop = text.replace("}]", "}],\"redirectPolicy\":\"stop\"");
    let params: http::RequestParams<'_> = serde_json::from_str(&stop).expect("params");
    assert_eq!(params.redirect_policy, http::RedirectPolicy::Stop);
    for wrong in [
        text.replace("requestId", "id"),
        text.replace("}]", "}],\"redirectPolicy\":\"x\""),
    ] {
        assert!(
            serde_json::from_str::<http::RequestParams<'_>>(&wrong).is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn a_result_that_json_cannot_hold_becomes_an_internal_error() {
    let unprintable = std::collections::HashMap::from([((1, 2), 3)]);
    let message = response(&Id::Number(1), &unprintable);
    assert!(
        message.contains("-32603") && message.contains("failed to serialize the result"),
        "{message}"
    );
}

#[test]
fn a_native_path_that_is_not_utf8_is_answered_as_a_uri() {
    let path = AbsPath::from_bytes(b"/a/\xff").expect("a path");
    assert_eq!(WirePath::native(path.clone()).to_string(), "file:///a/%FF");
    assert_eq!(WirePath::parse("file:///a/%FF"), Ok(WirePath::uri(path)));
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..200)
}

proptest! {
    #[test]
    fn hand_written_encoders_say_what_serde_says(id in "\\PC{0,10}", number in any::<i64>(), process in "\\PC{0,10}", data in bytes(), seq in any::<u64>(), flag in any::<bool>()) {
        for id in [Id::String(id.into()), Id::Number(number)] {
            let file = file_result(&id, &data);
            prop_assert_eq!(file.len() <= file.capacity(), true);
            prop_assert_eq!(&file, &response(&id, &fs::ReadFileResult { data_base64: data.clone().into() }));
            prop_assert_eq!(block_result(&id, &data, flag), response(&id, &fs::ReadBlockResult { chunk: data.clone().into(), eof: flag }));
            let chunk = |seq| OutputChunk { seq, stream: Stream::Stdout, chunk: data.clone().into() };
            let read = ReadResult {
                chunks: if flag { vec![chunk(seq), chunk(1)] } else { vec![] },
                next_seq: seq,
                exited: flag,
                exit_code: flag.then_some(-1),
                closed: flag,
                failure: flag.then(|| process.clone()),
                sandbox_denied: flag,
            };
            prop_assert_eq!(read_result(&id, &read), response(&id, &read));
        }
        let typed = OutputNotification { process_id: process.as_str().into(), seq, stream: Stream::Pty, chunk: data.clone().into() };
        prop_assert_eq!(output_notification(&process, seq, Stream::Pty, &data), notification(notify::PROCESS_OUTPUT, &typed));
        let error = (flag && number > 0).then(|| process.clone());
        let delta = http::BodyDeltaNotification { request_id: process.clone(), seq, delta_base64: data.clone().into(), done: flag, error: error.clone() };
        let end = flag.then_some(error.as_deref());
        prop_assert_eq!(body_delta(&process, seq, &data, end), notification(notify::HTTP_BODY_DELTA, &delta));
        let id = Id::Number(number);
        let answer = http::RequestResult { status: 200, headers: vec![http::Header::new("x", process)], body_base64: data.clone().into() };
        prop_assert_eq!(http_result(&id, 200, &answer.headers, &data), response(&id, &answer));
    }

    #[test]
    fn any_text_is_parsed_without_a_panic(text in "\\PC{0,60}", bytes in bytes()) {
        let _ = Incoming::parse(&text);
        let _ = Incoming::parse(&format!(r#"{{"id":1,"method":{text}}}"#));
        let _ = Incoming::parse_bytes(&bytes);
    }

    #[test]
    fn ids_are_echoed_verbatim(text in "\\PC{0,20}", number in any::<i64>()) {
        for id in [Id::String(text.into()), Id::Number(number)] {
            let message = request(&id, "m", &Empty {}).expect("encodes");
            match Incoming::parse(&message) {
                Ok(Incoming::Request(request)) => prop_assert_eq!(request.id, id),
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }
}

#[test]
fn payload_messages_are_allocated_once() {
    let data = vec![7; 100_000];
    for message in [
        file_result(&Id::Number(i64::MIN), &data),
        block_result(&Id::Number(1), &data, false),
    ] {
        assert!(
            message.capacity() - message.len() < 64,
            "{} of {}",
            message.len(),
            message.capacity()
        );
    }
}
