//! `vedette run`: the daemon.

use super::log::{self, Form};
use super::{Dirs, Outcome};
use crate::base::clock::Clock;
use crate::base::fault::chain;
use crate::daemon::assemble::{self, Fatal, Place};
use crate::daemon::config::Refused;
use crate::world::listener::Address;
use crate::world::machine::Machine;
use crate::world::service::{self, Systemd};
use crate::world::{
    World, broker, clock, feed, files, folders, gpu, inflow, net, process, roads, rtsp, volumes, worker,
};
use clap::Args;
use std::path::PathBuf;
use std::sync::Arc;

/// Threads that drive sessions. One would do; with two, a slow one cannot keep the page from answering.
const THREADS: usize = 2;

/// Watch, remember, serve and alarm until told to stop
#[derive(Args)]
#[command(after_help = "Examples:
  vedette run --config /etc/vedette/vedette.toml
  vedette run --config test.toml --listen 127.0.0.1:9190 --state-dir /tmp/state --runtime-dir /tmp/run

SIGHUP reads the configuration, the rules and the passwords again; SIGTERM stops in order; a second one ends at once.")]
pub(super) struct Run {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "/etc/vedette/vedette.toml")]
    config: PathBuf,
    /// Address of the page, over `listen` in the configuration
    #[arg(long, value_name = "ADDR")]
    listen: Option<Address>,
    /// Prometheus web configuration, over `config_file` in the configuration
    #[arg(long = "web.config.file", value_name = "FILE")]
    web_config: Option<PathBuf>,
    /// How log lines look
    #[arg(long, value_enum, default_value = "auto")]
    log: Form,
    #[command(flatten)]
    dirs: Dirs,
}

impl Run {
    pub(super) fn main(self) -> Outcome {
        log::start(self.log);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
        let place = Place {
            config: self.config,
            listen: self.listen,
            web_config: self.web_config,
            state_dir: self.dirs.state_dir,
            runtime_dir: self.dirs.runtime_dir,
        };
        let code = runtime.block_on(daemon(place))?;
        // What is left after a second signal is cut off, not waited for.
        runtime.shutdown_background();
        Ok(code)
    }
}

/// The outside as it is.
pub(super) fn world() -> std::io::Result<World> {
    let clock = Clock::new(clock::System);
    let world = World {
        net: Arc::new(net::Real::new(clock.clone())),
        processes: Arc::new(process::Real::new(clock.clone())),
        folders: Arc::new(folders::Disk::new(clock.clone())),
        gpus: Arc::new(gpu::Real::new(clock.clone())),
        volumes: Arc::new(volumes::Real::new(clock.clone())),
        clock,
        boot_id: service::boot_id()?.into(),
        rtsp: Arc::new(rtsp::line::Retina),
        files: Arc::new(files::Disk),
        broker: Arc::new(broker::Mqtt),
        feed: Arc::new(feed::Real::default()),
        worker: Arc::new(worker::process::Binary::default()),
        inflow: Arc::new(inflow::Real::default()),
        machine: Some(Machine::default()),
        roads: Arc::new(roads::Real::default()),
    };
    Ok(world)
}

async fn daemon(place: Place) -> Result<u8, Box<dyn std::error::Error>> {
    let systemd = Arc::new(Systemd::open()?);
    let world = world()?;
    let hostname = service::hostname()?;
    match assemble::run(place, world, &hostname, systemd).await {
        Ok(()) => Ok(0),
        Err(Fatal::Config(Refused::Mistakes { path, mistakes })) => {
            for mistake in mistakes {
                tracing::error!(file = %path.display(), %mistake, "configuration refused");
            }
            Ok(1)
        }
        Err(fatal) => {
            tracing::error!(error = %chain(&fatal), "cannot start");
            Ok(2)
        }
    }
}
