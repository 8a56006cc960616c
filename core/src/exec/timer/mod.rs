//! Time: a hierarchical wheel whose entries live in the futures that wait.
//!
//! | file | idea |
//! |---|---|
//! | `wheel` | where a deadline stands, and what is due |
//! | `sleep` | a future that holds an entry |
//! | `interval` | periods, and what to do about missed ones |
//! | `timeout` | a future with a deadline |

mod interval;
mod sleep;
mod timeout;
mod wheel;

pub use interval::{Interval, MissedTick};
pub use sleep::Sleep;
pub use timeout::{Elapsed, Timeout};
pub use wheel::{TimerSource, Timers};
