//! A value that the first who needs it makes.
#![forbid(unsafe_code)]

use super::semaphore::Semaphore;
use core::cell;
use core::fmt;

/// A value that is made once, by a future.
pub struct OnceCell<T> {
    value: cell::OnceCell<T>,
    making: Semaphore,
}

impl<T> OnceCell<T> {
    /// Empty.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            value: cell::OnceCell::new(),
            making: Semaphore::new(1),
        }
    }

    /// The value, if it is there.
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// The value, made by `make` if it is not there. One task makes, the others wait; if the maker fails or is dropped, the next makes.
    ///
    /// # Errors
    /// What `make` gave.
    pub async fn get_or_try_init<E, F>(&self, make: impl FnOnce() -> F) -> Result<&T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        if let Some(value) = self.value.get() {
            return Ok(value);
        }
        let _permit = self.making.acquire(1).await;
        if let Some(value) = self.value.get() {
            return Ok(value);
        }
        let value = make().await?;
        Ok(self.value.get_or_init(|| value))
    }
}

impl<T> Default for OnceCell<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for OnceCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnceCell").field(&self.value.get()).finish()
    }
}
