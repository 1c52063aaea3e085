//! Takes the floors: each by the same client as the servers, so that the client's own cost stands on both sides of a ratio.

use std::time::Instant;

use super::{Floor, Scene};
use crate::connection::{Connection, microseconds};
use crate::failure::Failure;
use crate::floor::local;
use crate::ground::{LARGE, PAGE, absent};
use crate::incoming::{self, Incoming};
use crate::server::{Guard, Server};
use crate::wave::Wave;
use crate::{limits, tree};

/// One batch of `floor`; the echo's gives its CPU time as well.
pub(crate) fn take(scene: &mut Scene<'_>, floor: Floor) -> Result<Vec<(Floor, Vec<f64>)>, Failure> {
    if matches!(floor, Floor::Echo | Floor::EchoCpu) {
        let (times, cpu) = echo(scene, 0)?;
        return Ok(vec![(Floor::Echo, times), (Floor::EchoCpu, vec![cpu])]);
    }
    Ok(vec![(floor, one(scene, floor)?)])
}

fn one(scene: &mut Scene<'_>, floor: Floor) -> Result<Vec<f64>, Failure> {
    let ground = scene.ground;
    match floor {
        Floor::Echo | Floor::EchoCpu => echo(scene, 0).map(|(times, _)| times),
        Floor::EchoPage => echo(scene, PAGE).map(|(times, _)| times),
        Floor::EchoRate => {
            let connection = Connection::open(&scene.echo.url, limits::SMALL_READS)?;
            let params = vec![small_params(); limits::IN_FLIGHT];
            in_flight(scene, connection, "fs/getMetadata", &params, || Ok(()))
        }
        Floor::EchoConnect => {
            let url = scene.echo.url.clone();
            scene.batch(|| connect(&url))
        }
        Floor::EchoMemory => {
            // A fresh one: one that held a thousand connections before has their memory still.
            let echo = Server::start(&echo_command()?, Guard::EndsWithUs)?;
            let mut held = Vec::new();
            let (before, _) = tree::memory(echo.root());
            for _ in 0..limits::IDLE_CONNECTIONS {
                let mut connection = Connection::open(&echo.url, limits::SMALL_READS)?;
                connection.call("initialize", &small_params())?;
                held.push(connection);
            }
            let (after, _) = tree::memory(echo.root());
            Ok(vec![(after - before) / limits::IDLE_CONNECTIONS as f64])
        }
        Floor::Read => scene.batch(|| local::read(&ground.small_file())),
        Floor::ReadLarge => scene.batch(|| local::read(&ground.large_file())),
        Floor::Write => {
            let contents = vec![b'x'; PAGE];
            let path = ground.written("floor", 0);
            scene.batch(|| {
                absent(&path)?;
                local::write(&path, &contents)
            })
        }
        Floor::Bulk => {
            let mut connection = Connection::open(&scene.bulk.url, limits::LARGE_READS)?;
            let length = base64_simd::STANDARD.encoded_length(LARGE);
            scene.batch(|| {
                let begin = Instant::now();
                connection.send_text(format!("bytes {length}"))?;
                let got = connection.next()?.len();
                let taken = microseconds(begin);
                if got == length {
                    Ok(taken)
                } else {
                    Err(Failure::Wrong(format!(
                        "{got} of {length} bytes from the floor"
                    )))
                }
            })
        }
        Floor::Spawn => scene.batch(local::spawn),
        Floor::SpawnMany => (0..scene.pick(2, 4))
            .map(|_| local::spawn_many(super::processes::MANY))
            .collect(),
        Floor::Pipe => {
            let mut cat = match scene.cat.take() {
                Some(cat) => cat,
                None => local::Cat::start()?,
            };
            let taken = scene.batch(|| cat.round_trip(super::processes::TYPED));
            scene.cat = Some(cat);
            taken
        }
        Floor::PipeToSocket => {
            let total = super::output::total(scene);
            let mut connection = Connection::open(&scene.bulk.url, limits::LARGE_READS)?;
            let begin = Instant::now();
            connection.send_text(format!("pipe {total}"))?;
            let mut received = 0;
            loop {
                let text = connection.next()?;
                match incoming::read(&text) {
                    Some(Incoming::Output { chunk, .. }) => {
                        received += super::output::decoded(chunk)
                    }
                    _ => break,
                }
            }
            if received != total {
                return Err(Failure::Wrong(format!(
                    "{received} of {total} bytes from the floor"
                )));
            }
            Ok(vec![local::mib_per_second(total, begin)])
        }
        Floor::Terminal => Ok(vec![local::terminal(super::output::TERMINAL)?]),
    }
}

/// The commands of the floors' servers.
pub(crate) fn echo_command() -> Result<String, Failure> {
    Ok(format!("{} floor echo", std::env::current_exe()?.display()))
}

/// The same for large amounts.
pub(crate) fn bulk_command() -> Result<String, Failure> {
    Ok(format!("{} floor bulk", std::env::current_exe()?.display()))
}

/// What a small call's parameters look like, for the echo.
fn small_params() -> String {
    r#"{"path":"file:///tmp/lockgate-bench-XXXXXX/project/small.txt","sandbox":null}"#.into()
}

/// Round trips with `extra` bytes in base64, and the echo server's CPU time for one.
fn echo(scene: &Scene<'_>, extra: usize) -> Result<(Vec<f64>, f64), Failure> {
    let mut connection = Connection::open(&scene.echo.url, limits::SMALL_READS)?;
    let mut params = small_params();
    if extra > 0 {
        let data = base64_simd::STANDARD.encode_to_string(vec![b'x'; extra]);
        params = format!(r#"{{"path":"file:///tmp/x","dataBase64":"{data}"}}"#);
    }
    with_cpu(scene, scene.echo.root(), || {
        connection.round_trip("fs/getMetadata", &params)
    })
}

/// A batch, and the CPU time that the tree under `root` spent for each step of it in microseconds.
pub(crate) fn with_cpu(
    scene: &Scene<'_>,
    root: u32,
    mut step: impl FnMut() -> Result<f64, Failure>,
) -> Result<(Vec<f64>, f64), Failure> {
    let mut steps = 0;
    let before = tree::cpu(root);
    let samples = scene.batch(|| {
        steps += 1;
        step()
    })?;
    let spent = tree::cpu_between(&before, &tree::cpu(root));
    Ok((samples, spent / f64::from(steps)))
}

/// Connects and upgrades; microseconds.
pub(crate) fn connect(url: &str) -> Result<f64, Failure> {
    let begin = Instant::now();
    let connection = Connection::open(url, limits::SMALL_READS)?;
    let taken = microseconds(begin);
    connection.close();
    Ok(taken)
}

/// Batches of waves of `IN_FLIGHT` calls; calls per second. `before` runs before each, untimed.
pub(crate) fn in_flight(
    scene: &Scene<'_>,
    connection: Connection,
    method: &'static str,
    params: &[String],
    mut before: impl FnMut() -> Result<(), Failure>,
) -> Result<Vec<f64>, Failure> {
    let mut wave = Wave::new(connection, method, params);
    scene.batch(|| {
        before()?;
        Ok(params.len() as f64 / wave.ride()?)
    })
}
