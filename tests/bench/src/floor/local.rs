//! Floors without a socket: what the kernel asks for the same work when this program does it itself.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::connection::microseconds;
use crate::failure::Failure;

/// Open, fstat, pread, close; microseconds.
pub(crate) fn read(path: &Path) -> Result<f64, Failure> {
    let begin = Instant::now();
    let file = File::open(path)?;
    let mut contents = vec![0; file.metadata()?.len() as usize];
    file.read_exact_at(&mut contents, 0)?;
    drop(file);
    Ok(microseconds(begin))
}

/// Open with truncation, write, close; microseconds.
pub(crate) fn write(path: &Path, contents: &[u8]) -> Result<f64, Failure> {
    let begin = Instant::now();
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)?;
    file.write_all(contents)?;
    drop(file);
    Ok(microseconds(begin))
}

/// The program that ends at once. The standard library starts it with `posix_spawn`.
fn start_true() -> std::io::Result<Child> {
    Command::new("/bin/true")
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// `posix_spawn` and wait; microseconds.
pub(crate) fn spawn() -> Result<f64, Failure> {
    let begin = Instant::now();
    start_true()?.wait()?;
    Ok(microseconds(begin))
}

/// `count` processes at once, started by as many threads as there are CPUs; processes per second.
pub(crate) fn spawn_many(count: usize) -> Result<f64, Failure> {
    let threads = std::thread::available_parallelism()?.get();
    let begin = Instant::now();
    std::thread::scope(|scope| {
        let work: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || -> std::io::Result<()> {
                    let mut running = Vec::new();
                    for _ in (thread..count).step_by(threads) {
                        running.push(start_true()?);
                    }
                    running
                        .iter_mut()
                        .try_for_each(|child| child.wait().map(drop))
                })
            })
            .collect();
        work.into_iter().try_for_each(|thread| {
            thread
                .join()
                .map_err(|_| Failure::Wrong("a spawning thread failed".into()))??;
            Ok::<(), Failure>(())
        })
    })?;
    Ok(count as f64 / begin.elapsed().as_secs_f64())
}

/// A running `cat` on two pipes.
pub(crate) struct Cat {
    child: Child,
}

impl Cat {
    /// Starts it.
    pub(crate) fn start() -> Result<Self, Failure> {
        let child = Command::new("/bin/cat")
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Self { child })
    }

    /// Bytes in, the same bytes out; microseconds.
    pub(crate) fn round_trip(&mut self, bytes: &[u8]) -> Result<f64, Failure> {
        let (Some(input), Some(output)) = (&mut self.child.stdin, &mut self.child.stdout) else {
            return Err(Failure::Wrong("cat without pipes".into()));
        };
        let mut back = vec![0; bytes.len()];
        let begin = Instant::now();
        input.write_all(bytes)?;
        output.read_exact(&mut back)?;
        Ok(microseconds(begin))
    }
}

impl Drop for Cat {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// `total` bytes of the output child read from a terminal's master; MiB per second.
pub(crate) fn terminal(total: usize) -> Result<f64, Failure> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let name = ptsname(&master, Vec::new())?;
    let slave = rustix::fs::open(&*name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty())?;
    let begin = Instant::now();
    let mut child = Command::new(std::env::current_exe()?)
        .args(["child", "output", &total.to_string()])
        .stdin(slave.try_clone()?)
        .stdout(slave.try_clone()?)
        .stderr(Stdio::null())
        .spawn()?;
    drop(slave);
    let mut master = File::from(master);
    let mut piece = vec![0; 64 << 10];
    let mut received = 0;
    // A master answers EIO when the last slave is closed: its end of file.
    while let Ok(length @ 1..) = master.read(&mut piece) {
        received += length;
    }
    child.wait()?;
    if received != total {
        return Err(Failure::Wrong(format!(
            "{received} of {total} bytes from the terminal"
        )));
    }
    Ok(mib_per_second(total, begin))
}

/// Throughput since `begin`.
pub(crate) fn mib_per_second(bytes: usize, begin: Instant) -> f64 {
    bytes as f64 / f64::from(1 << 20) / begin.elapsed().as_secs_f64()
}
