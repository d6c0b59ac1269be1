//! Several boards at once.

use crate::case::Outcome;
use std::sync::Mutex;

/// Runs `job` with every number below `count`, `workers` at a time, each on a thread of its own, so that it can start a
/// network of its own. After the first error no more are begun.
pub(crate) fn side_by_side<T: Send>(
    workers: usize,
    count: usize,
    job: impl Fn(usize) -> Outcome<T> + Sync,
) -> Outcome<Vec<T>> {
    let state = Mutex::new((0, Vec::new(), None));
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let number = {
                        let (next, _, trouble) = &mut *state.lock().unwrap();
                        if *next == count || trouble.is_some() {
                            return;
                        }
                        *next += 1;
                        *next - 1
                    };
                    let outcome = job(number);
                    let (_, done, trouble) = &mut *state.lock().unwrap();
                    match outcome {
                        Ok(value) => done.push((number, value)),
                        Err(why) => *trouble = Some(format!("number {number}: {why}")),
                    }
                }
            });
        }
    });
    let (_, mut done, trouble) = state.into_inner().unwrap();
    done.sort_by_key(|(number, _)| *number);
    trouble.map_or_else(|| Ok(done.into_iter().map(|(_, value)| value).collect()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_in_order() {
        assert_eq!(side_by_side(3, 5, |number| Ok(number * 2)), Ok(vec![0, 2, 4, 6, 8]));
    }

    #[test]
    fn the_first_trouble_ends_it() {
        let begun = Mutex::new(0);
        let outcome = side_by_side(1, 5, |number| {
            *begun.lock().unwrap() += 1;
            if number == 1 { Err("no".to_owned()) } else { Ok(()) }
        });
        assert_eq!((outcome, begun.into_inner().unwrap()), (Err("number 1: no".to_owned()), 2));
    }
}
