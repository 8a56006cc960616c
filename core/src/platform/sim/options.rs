//! How a simulated machine is set up.
#![forbid(unsafe_code)]

use super::fault::SimFaults;
use super::snapshot::DiskSnapshot;
use crate::platform::Instant;

/// How to make a machine. Everything that happens on it follows from these, and from what the program does.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SimOptions {
    /// Where all dice come from. Default 0.
    pub seed: u64,
    /// What goes wrong, and how often. Default: only what contracts allow.
    pub faults: SimFaults,
    /// Size of the disk in bytes. Default 1 GiB.
    pub disk_bytes: u64,
    /// Memory that may be committed at once, in bytes. Default 1 GiB.
    pub memory_bytes: usize,
    /// Address space that may be reserved at once, in bytes. Default 4 GiB, or 1 GiB where addresses have 32 bits.
    pub address_bytes: usize,
    /// Decommitted memory holds [`POISON`](super::POISON) and counts as faulting
    /// ([`Caps::DECOMMIT_FAULTS`](crate::platform::Caps)); else it reads as zero. Default: no.
    pub poison_decommitted: bool,
    /// Multiples that reservations come in, a power of two of at least a page. Default 64 KiB, as on Windows: code that
    /// is right with it is right elsewhere.
    pub granularity_bytes: usize,
    /// Processors, as [`Threads::parallelism`](crate::platform::Threads::parallelism) tells; threads still run one at a time.
    /// Default 4.
    pub processors: usize,
    /// Whether [`Threads::fence_others`](crate::platform::Threads::fence_others) can. Default: yes.
    pub fence_others: bool,
    /// The wall clock at the monotonic clock's zero, in nanoseconds since 1970. Default: the start of 2026.
    pub real_base_ns: u64,
    /// The power goes at this call of the seam, counted from 1, before it does anything. Default: never.
    pub power_loss_at_call: Option<u64>,
    /// As `power_loss_at_call`, counting only calls that can change what a power loss leaves on the disk (see
    /// [`Sim::disk_calls`](super::Sim::disk_calls)): a run of these from 1 up meets every distinct crash point. Default: never.
    pub power_loss_at_disk_call: Option<u64>,
    /// The power goes when the monotonic clock reaches this point. Default: never.
    pub power_loss_at: Option<Instant>,
    /// [`Durability::Data`](crate::platform::Durability) leaves data in the device's volatile cache, as `fsync` on macOS does;
    /// stronger levels empty it. Default: no.
    pub weak_data_sync: bool,
    /// The disk to start with. Default: an empty one.
    pub disk: Option<DiskSnapshot>,
    /// Events that are kept for [`Sim::report`](super::Sim::report). Default 40.
    pub events_kept: usize,
    /// Odds, per million calls, that the scheduler hands the baton to another thread. Default: drawn from the seed
    /// out of 1/2, 1/8 and 1/64, since different bugs want different ones.
    pub switch_ppm: Option<u32>,
}

impl SimOptions {
    /// The defaults with a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            faults: SimFaults::default(),
            disk_bytes: 1 << 30,
            memory_bytes: 1 << 30,
            address_bytes: usize::try_from(4_u64 << 30).unwrap_or(1 << 30),
            poison_decommitted: false,
            granularity_bytes: 64 << 10,
            processors: 4,
            fence_others: true,
            real_base_ns: 1_767_225_600_000_000_000,
            power_loss_at_call: None,
            power_loss_at_disk_call: None,
            power_loss_at: None,
            weak_data_sync: false,
            disk: None,
            events_kept: 40,
            switch_ppm: None,
        }
    }

    /// Sets what goes wrong.
    #[must_use]
    pub fn with_faults(mut self, faults: SimFaults) -> Self {
        self.faults = faults;
        self
    }

    /// Sets the size of the disk.
    #[must_use]
    pub fn with_disk_bytes(mut self, bytes: u64) -> Self {
        self.disk_bytes = bytes;
        self
    }

    /// Starts with the contents of `disk`, read after an orderly shutdown: all that programs saw is there.
    ///
    /// ```
    /// use underpin_core::platform::sim::{Sim, SimFaults, SimOptions};
    /// use underpin_core::platform::{Create, Files, OpenOptions};
    /// # fn main() -> Result<(), underpin_core::Error> {
    /// let (first, read) = (Sim::new(SimOptions::new(1).with_faults(SimFaults::none())), OpenOptions::read_write());
    /// let file = first.open(b"/kept", &read.with_create(Create::New))?;
    /// first.write_all_at(&file, b"bytes", 0)?;
    /// let second = Sim::new(SimOptions::new(2).with_faults(SimFaults::none()).with_disk(first.disk_snapshot()));
    /// let mut bytes = [0; 5];
    /// second.read_exact_at(&second.open(b"/kept", &read)?, &mut bytes, 0)?;
    /// assert_eq!(&bytes, b"bytes");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_disk(mut self, disk: DiskSnapshot) -> Self {
        self.disk = Some(disk);
        self
    }

    /// Loses power at the `call`th call of the seam.
    #[must_use]
    pub fn with_power_loss_at_call(mut self, call: u64) -> Self {
        self.power_loss_at_call = Some(call);
        self
    }

    /// Loses power at the `call`th call that touches the disk's durable state.
    #[must_use]
    pub fn with_power_loss_at_disk_call(mut self, call: u64) -> Self {
        self.power_loss_at_disk_call = Some(call);
        self
    }

    /// Loses power at a point in time.
    #[must_use]
    pub fn with_power_loss_at(mut self, at: Instant) -> Self {
        self.power_loss_at = Some(at);
        self
    }
}

impl Default for SimOptions {
    fn default() -> Self {
        Self::new(0)
    }
}

impl From<u64> for SimOptions {
    fn from(seed: u64) -> Self {
        Self::new(seed)
    }
}
