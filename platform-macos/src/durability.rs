//! Which ways to make a file durable are tried in turn, and what each one reaches.
//!
//! `fsync` here only hands data to the device. `F_FULLFSYNC` empties the device's cache, and `F_BARRIERFSYNC` puts a barrier into it; a file system
//! (SMB, NFS, FUSE and some others) may know neither. Then the next step is taken and the level it reaches is
//! returned, never the one that was asked for. An error that means damage ends the climb: a second try could
//! succeed and hide it.
#![forbid(unsafe_code)]

use underpin_core::error::{Domain, Error, Result};
use underpin_core::platform::Durability;

/// With which file systems refuse a command they do not know: `EINVAL`, `ENOTTY`, `ENOTSUP`, `ENOSYS`, `EOPNOTSUPP`.
const NOT_OFFERED: [i32; 5] = [22, 25, 45, 78, 102];

fn is_not_offered(error: &Error) -> bool {
    error.domain() == Domain::Errno && NOT_OFFERED.contains(&error.raw())
}

/// Takes steps until one is offered, and returns the level reached. A stronger step is taken before a weaker one.
pub(crate) fn climb(
    level: Durability,
    mut step: impl FnMut(Durability) -> Result<()>,
) -> Result<Durability> {
    let refusable: &[Durability] = match level {
        Durability::Data => &[],
        Durability::Barrier => &[Durability::Barrier, Durability::Full],
        Durability::Full => &[Durability::Full],
    };
    for &reached in refusable {
        match step(reached) {
            Ok(()) => return Ok(reached),
            Err(error) if is_not_offered(&error) => {}
            Err(error) => return Err(error),
        }
    }
    step(Durability::Data).map(|()| Durability::Data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use underpin_core::Kind;
    use underpin_core::error::Operation;

    const EINVAL: i32 = 22;
    const ENOTSUP: i32 = 45;
    const EIO: i32 = 5;
    const ENODEV: i32 = 19;

    /// Climbs on a file system that answers each step with an errno, 0 for success.
    fn climb_on(level: Durability, answer: fn(Durability) -> i32) -> (Result<Durability>, usize) {
        let mut steps = Vec::new();
        let result = climb(level, |step| {
            steps.push(step);
            match answer(step) {
                0 => Ok(()),
                errno => Err(Error::from_raw(
                    Operation::Sync,
                    crate::error::kind(errno),
                    Domain::Errno,
                    errno,
                )),
            }
        });
        (result, steps.len())
    }

    const LEVELS: [Durability; 3] = [Durability::Data, Durability::Barrier, Durability::Full];

    #[test]
    fn a_file_system_that_offers_all_gives_what_was_asked_for_in_one_step() {
        for level in LEVELS {
            assert_eq!(climb_on(level, |_| 0), (Ok(level), 1));
        }
    }

    #[test]
    fn a_refused_barrier_becomes_full() {
        let answer = |step| {
            if step == Durability::Barrier {
                ENOTSUP
            } else {
                0
            }
        };
        assert_eq!(
            climb_on(Durability::Barrier, answer),
            (Ok(Durability::Full), 2)
        );
    }

    #[test]
    fn a_network_file_system_says_that_only_data_was_reached() {
        for refusal in [
            |step| match step {
                Durability::Data => 0,
                _ => ENOTSUP,
            },
            |step| match step {
                Durability::Data => 0,
                _ => EINVAL,
            },
        ] {
            for level in LEVELS {
                assert_eq!(climb_on(level, refusal).0, Ok(Durability::Data));
            }
        }
    }

    #[test]
    fn damage_is_reported_and_no_weaker_step_hides_it() {
        for level in LEVELS {
            let (result, steps) = climb_on(level, |_| EIO);
            assert_eq!(result.unwrap_err().kind(), Kind::Io);
            assert_eq!(steps, 1);
            let (result, steps) = climb_on(level, |_| ENODEV);
            assert_eq!((result.is_err(), steps), (true, 1), "the device is gone");
        }
        let answer = |step| {
            if step == Durability::Data {
                EIO
            } else {
                ENOTSUP
            }
        };
        assert!(climb_on(Durability::Full, answer).0.is_err());
    }
}
