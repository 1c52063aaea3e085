//! File calls: small ones, 4 KiB writes, 1 MiB reads and streams; direct, as a client in a workspace sends them, and confined.

use std::time::Instant;

use serde_json::json;

use super::floors::{in_flight, with_cpu};
use super::{Budget, Floor, Group, Placement, Probe, Row, Scene, Series, Unit};
use crate::failure::Failure;
use crate::floor::local::mib_per_second;
use crate::ground::{LARGE as LARGE_FILE, PAGE, absent};
use crate::subject::{Profile, Subject};
use crate::{limits, tree};

const ECHO: &[(Floor, f64)] = &[(Floor::Echo, 1.0)];
const ECHO_CPU: &[(Floor, f64)] = &[(Floor::EchoCpu, 1.0)];
const ECHO_READ: &[(Floor, f64)] = &[(Floor::Echo, 1.0), (Floor::Read, 1.0)];
const ECHO_WRITE: &[(Floor, f64)] = &[(Floor::EchoPage, 1.0), (Floor::Write, 1.0)];
const BULK_READ: &[(Floor, f64)] = &[(Floor::Bulk, 1.0), (Floor::ReadLarge, 1.0)];

/// What a small call may cost inside the server when its scope is warm.
const WARM: &[Budget] = &[Budget::Above(10.0)];

/// A row whose value is a time.
pub(super) const fn time(
    name: &'static str,
    title: &'static str,
    floor: &'static [(Floor, f64)],
    budgets: &'static [Budget],
) -> Row {
    Row {
        name,
        title,
        unit: Unit::Time,
        floor,
        budgets,
    }
}

/// Small calls, one after the other.
pub(crate) const SMALL: Group = Group {
    name: "small",
    placement: Placement::Together,
    rounds: (5, 18),
    probes: &[
        Probe {
            rows: &[
                time(
                    "stat",
                    "metadata, direct",
                    ECHO,
                    &[Budget::Floor(1.5), Budget::Peer],
                ),
                time(
                    "stat-cpu",
                    "  server CPU for it",
                    ECHO_CPU,
                    &[Budget::Floor(1.6)],
                ),
            ],
            take: |scene, subject| small(scene, subject, "fs/getMetadata", Profile::Direct),
        },
        Probe {
            rows: &[
                time(
                    "stat-workspace",
                    "metadata, workspace profile",
                    ECHO,
                    &[Budget::Row("stat", 1.3)],
                ),
                time("stat-workspace-cpu", "  server CPU for it", ECHO_CPU, WARM),
            ],
            take: |scene, subject| small(scene, subject, "fs/getMetadata", Profile::Workspace),
        },
        Probe {
            rows: &[
                time(
                    "stat-confined",
                    "metadata, confined",
                    ECHO,
                    &[Budget::Row("stat", 1.3), Budget::PeerTimes(100.0)],
                ),
                time("stat-confined-cpu", "  server CPU for it", ECHO_CPU, WARM),
            ],
            take: |scene, subject| small(scene, subject, "fs/getMetadata", Profile::Confined),
        },
        Probe {
            rows: &[
                time(
                    "read",
                    "read 200 B, direct",
                    ECHO_READ,
                    &[Budget::Floor(1.5), Budget::Peer],
                ),
                time("read-cpu", "  server CPU for it", ECHO_CPU, &[]),
            ],
            take: |scene, subject| small(scene, subject, "fs/readFile", Profile::Direct),
        },
        Probe {
            rows: &[
                time(
                    "read-workspace",
                    "read 200 B, workspace profile",
                    ECHO_READ,
                    &[Budget::Row("read", 1.3)],
                ),
                time("read-workspace-cpu", "  server CPU for it", ECHO_CPU, WARM),
            ],
            take: |scene, subject| small(scene, subject, "fs/readFile", Profile::Workspace),
        },
        Probe {
            rows: &[
                time(
                    "read-confined",
                    "read 200 B, confined",
                    ECHO_READ,
                    &[Budget::Row("read", 1.3), Budget::PeerTimes(100.0)],
                ),
                time("read-confined-cpu", "  server CPU for it", ECHO_CPU, WARM),
            ],
            take: |scene, subject| small(scene, subject, "fs/readFile", Profile::Confined),
        },
        Probe {
            rows: &[Row {
                name: "stat-rate",
                title: "metadata, direct, 16 in flight",
                unit: Unit::Rate,
                floor: &[(Floor::EchoRate, 1.0)],
                budgets: &[Budget::Floor(0.3)],
            }],
            take: |scene, subject| {
                let connection = subject.connect(limits::SMALL_READS)?;
                let params = vec![subject.stat(scene.ground, Profile::Direct); limits::IN_FLIGHT];
                let rate = in_flight(scene, connection, "fs/getMetadata", &params, || Ok(()))?;
                Ok(vec![rate])
            },
        },
    ],
};

fn small(
    scene: &mut Scene<'_>,
    subject: &Subject,
    method: &str,
    profile: Profile,
) -> Result<Series, Failure> {
    subject.keeps(profile)?;
    let mut connection = subject.connect(limits::SMALL_READS)?;
    let params = subject.stat(scene.ground, profile);
    let answer = connection.call(method, &params)?;
    let expected = if method == "fs/readFile" {
        let data = base64_simd::STANDARD.encode_to_string(&scene.ground.small);
        answer["dataBase64"] == data.as_str()
    } else {
        answer["isFile"] == true
    };
    if !expected {
        return Err(Failure::Wrong(format!(
            "{method} of the small file: {answer}"
        )));
    }
    let (times, cpu) = with_cpu(scene, subject.server.root(), || {
        connection.round_trip(method, &params)
    })?;
    Ok(vec![times, vec![cpu]])
}

/// Writes of 4 KiB to a file that is not there yet: over one that is, a disk's file system may flush at the close, which takes
/// milliseconds and says nothing about a server.
pub(crate) const WRITES: Group = Group {
    name: "writes",
    placement: Placement::Together,
    rounds: (5, 15),
    probes: &[
        Probe {
            rows: &[time(
                "write",
                "write 4 KiB, direct",
                ECHO_WRITE,
                &[Budget::Floor(1.5), Budget::Peer],
            )],
            take: |scene, subject| write(scene, subject, Profile::Direct),
        },
        Probe {
            rows: &[time(
                "write-workspace",
                "write 4 KiB, workspace profile",
                ECHO_WRITE,
                &[Budget::Row("write", 1.3), Budget::PeerTimes(100.0)],
            )],
            take: |scene, subject| write(scene, subject, Profile::Workspace),
        },
        Probe {
            rows: &[Row {
                name: "write-rate",
                title: "the same, 16 in flight",
                unit: Unit::Rate,
                floor: &[],
                budgets: &[Budget::Median(5_000.0)],
            }],
            take: |scene, subject| {
                subject.keeps(Profile::Workspace)?;
                let ground = scene.ground;
                let connection = subject.connect(limits::SMALL_READS)?;
                let contents = vec![b'x'; PAGE];
                let paths: Vec<_> = (0..limits::IN_FLIGHT)
                    .map(|number| ground.written(subject.label, number))
                    .collect();
                let params: Vec<_> = paths
                    .iter()
                    .map(|path| subject.write(ground, path, &contents, Profile::Workspace))
                    .collect();
                let rate = in_flight(scene, connection, "fs/writeFile", &params, || {
                    paths.iter().try_for_each(|path| absent(path))
                })?;
                Ok(vec![rate])
            },
        },
    ],
};

fn write(scene: &mut Scene<'_>, subject: &Subject, profile: Profile) -> Result<Series, Failure> {
    subject.keeps(profile)?;
    let mut connection = subject.connect(limits::SMALL_READS)?;
    let path = scene.ground.written(subject.label, 0);
    let contents = vec![b'x'; PAGE];
    let params = subject.write(scene.ground, &path, &contents, profile);
    let times = scene.batch(|| {
        absent(&path)?;
        connection.round_trip("fs/writeFile", &params)
    })?;
    if std::fs::read(&path)? != contents {
        return Err(Failure::Wrong(
            "fs/writeFile did not write what it was given".into(),
        ));
    }
    Ok(vec![times])
}

/// Whole files of 1 MiB.
pub(crate) const LARGE: Group = Group {
    name: "large",
    placement: Placement::Together,
    rounds: (4, 15),
    probes: &[
        Probe {
            rows: &[time(
                "read-large",
                "read 1 MiB, direct",
                BULK_READ,
                &[Budget::Floor(2.0), Budget::Peer],
            )],
            take: |scene, subject| large(scene, subject, Profile::Direct),
        },
        Probe {
            rows: &[time(
                "read-large-confined",
                "read 1 MiB, confined",
                BULK_READ,
                &[Budget::Row("read-large", 1.1), Budget::Peer],
            )],
            take: |scene, subject| large(scene, subject, Profile::Confined),
        },
    ],
};

fn large(scene: &mut Scene<'_>, subject: &Subject, profile: Profile) -> Result<Series, Failure> {
    subject.keeps(profile)?;
    let mut connection = subject.connect(limits::LARGE_READS)?;
    let params = subject.on_path(scene.ground, &scene.ground.large_file(), profile);
    let answer = connection.call("fs/readFile", &params)?;
    let length = answer["dataBase64"].as_str().map_or(0, str::len);
    if length != base64_simd::STANDARD.encoded_length(LARGE_FILE) {
        return Err(Failure::Wrong(format!("{length} base64 digits for 1 MiB")));
    }
    Ok(vec![
        scene.batch(|| connection.round_trip("fs/readFile", &params))?,
    ])
}

/// A large file block by block.
pub(crate) const STREAMS: Group = Group {
    name: "streams",
    placement: Placement::Free,
    rounds: (1, 3),
    probes: &[
        Probe {
            rows: &[
                Row {
                    name: "stream",
                    title: "streamed in blocks of 1 MiB, direct",
                    unit: Unit::Throughput,
                    floor: &[],
                    budgets: &[],
                },
                Row {
                    name: "stream-growth",
                    title: "  memory growth of the server",
                    unit: Unit::Memory,
                    floor: &[],
                    budgets: &[],
                },
            ],
            take: |scene, subject| stream(scene, subject, Profile::Direct),
        },
        Probe {
            rows: &[
                Row {
                    name: "stream-confined",
                    title: "the same, confined",
                    unit: Unit::Throughput,
                    floor: &[],
                    budgets: &[Budget::Row("stream", 0.9)],
                },
                Row {
                    name: "stream-confined-growth",
                    title: "  memory growth of the server",
                    unit: Unit::Memory,
                    floor: &[],
                    budgets: &[Budget::Median(16_384.0)],
                },
            ],
            take: |scene, subject| stream(scene, subject, Profile::Confined),
        },
    ],
};

fn stream(scene: &mut Scene<'_>, subject: &Subject, profile: Profile) -> Result<Series, Failure> {
    // A slow server is not made to finish: its rate is known by then.
    let enough = std::time::Duration::from_secs(scene.pick(2, 5));
    subject.keeps(profile)?;
    // Who comes first would otherwise fill the page cache for the others.
    std::io::copy(
        &mut std::fs::File::open(scene.ground.huge_file())?,
        &mut std::io::sink(),
    )?;
    let mut connection = subject.connect(limits::LARGE_READS)?;
    let handle = "bench";
    let open = json!({
        "handleId": handle,
        "path": subject.path(&scene.ground.huge_file()),
        "sandbox": subject.sandbox(scene.ground, profile),
    });
    let answer = connection.call("fs/open", &open.to_string())?;
    let handle = answer["handleId"].as_str().unwrap_or(handle).to_owned();
    let block = |connection: &mut crate::connection::Connection, offset: u64| {
        let params = json!({"handleId": handle, "offset": offset, "len": LARGE_FILE});
        connection.round_trip("fs/readBlock", &params.to_string())
    };
    // The first block warms buffers that count as growth for nobody.
    block(&mut connection, 0)?;
    let (before, _) = tree::memory(subject.server.root());
    let mut most = before;
    let begin = Instant::now();
    let mut received = 0;
    while received + (LARGE_FILE as u64) < scene.ground.huge && begin.elapsed() < enough {
        block(&mut connection, received)?;
        received += LARGE_FILE as u64;
        if received % (64 << 20) == 0 {
            most = most.max(tree::memory(subject.server.root()).0);
        }
    }
    let rate = mib_per_second(received as usize, begin);
    connection.call("fs/close", &json!({"handleId": handle}).to_string())?;
    Ok(vec![vec![rate], vec![(most - before).max(0.0)]])
}
