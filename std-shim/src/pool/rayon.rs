//! For those who come from Rayon (1.12): what is here under the same name, and what is not, on purpose.
//!
//! # Here
//!
//! | of Rayon | here |
//! |---|---|
//! | functions | `join`, `join_context`, `scope`, `scope_fifo`, `in_place_scope`, `in_place_scope_fifo`, `spawn`, `spawn_fifo`, `broadcast`, `spawn_broadcast`, `yield_now`, `yield_local`, `current_num_threads`, `current_thread_index`, `current_thread_has_pending_tasks`, `max_num_threads` |
//! | `ThreadPool`, `ThreadPoolBuilder`, `prelude` | every name that is not deprecated there |
//! | `ParallelIterator`, `IndexedParallelIterator` | every method but those below |
//! | `iter::` functions | `once`, `empty`, `repeat`, `repeat_n`, `split`, `walk_tree`, `walk_tree_prefix`, `walk_tree_postfix` |
//! | `ParallelSlice`, `ParallelSliceMut`, `ParallelString` | every method |
//! | `IntoParallelIterator` | slices, arrays, `Vec`, `Box<[T]>`, `Option`, `Result`, ranges of every integer and of `char`, tuples of two to twelve, all collections of the standard library, by value and by reference |
//! | `FromParallelIterator`, `ParallelExtend` | every target |
//! | `ParallelDrainRange`, `ParallelDrainFull` | every collection |
//!
//! # Other than there
//!
//! | | |
//! |---|---|
//! | a call from outside the pool | runs on the caller, which works as a guest; `install` alone hands over |
//! | a wait | runs what it waits for and nothing else, so that a lock held across it cannot deadlock |
//! | `yield_now`, `yield_local` | say with a `bool` whether a job was run |
//! | `spawn_handler` | dropping the pool waits until each thread has left `run`; a pool so started has no spare threads |
//! | `use_current_thread` | dropping the pool on that thread ends it; dropped elsewhere it stays |
//! | `thread_name` | takes an `Fn` that can be sent, since spare threads start later |
//! | `broadcast`, `spawn_broadcast` | hand the thread's index over, not a context |
//! | `fold`, `map_init`, `map_with`, `for_each_with` | make a value for each part, and a part is some microseconds of a loop, also on one thread |
//! | `min`, `max` and their like | say which of equals it is: the first, the last |
//! | `par_drain` | takes the items out at once, whether or not the iterator is used |
//! | `rev` | needs a plain iterator that goes backwards: not after `interleave` |
//! | ranges of `u64` and `i64` | know their length, so that `zip` and `enumerate` take them; on machines of 32 bits one that is too long panics |
//!
//! # Not here
//!
//! | name | why |
//! |---|---|
//! | `find`, `position` | deprecated there |
//! | `drive`, `drive_unindexed`, `with_producer`, `opt_len`, `plumbing` | sources split here instead: [`Source`](underpin_core::pool::iter::Source) is what one implements |
//! | `intersperse` of an iterator of unknown length | nobody knows whether a part is the first that is not empty; collect before |
//! | `remainder` of exact chunks | the standard library's `as_chunks` and `chunks_exact` say it without a loop |
//! | `Clone` of iterators over owned vectors, of `flat_map`, and of those that stop (`while_some`, `take_any`) | parts share what they own; clone what they are made of |
//! | `par_iter` over references of tuples | `(&a, &mut b)` says it |
#![forbid(unsafe_code)]
