use std::sync::mpsc;
use std::time::Instant;

use base::SystemClock;

use super::*;

fn pool(threads: usize, waiting_per_thread: usize, longest_wait: Duration) -> Arc<Pool> {
    let settings = PoolSettings { threads, waiting_per_thread, longest_wait, niceness: 10 };
    Arc::new(Pool::start(&settings, Arc::new(SystemClock)).unwrap())
}

/// Occupies a thread until the sender is dropped; returns when it has begun.
async fn occupy(pool: &Arc<Pool>, is_large: bool) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel::<()>();
    let (begun, has_begun) = oneshot::channel();
    let pool = pool.clone();
    tokio::spawn(async move {
        let wait = move |_: &mut Memory| {
            let _nobody = begun.send(());
            let _dropped = released.recv();
        };
        pool.run(Priority::Trusted, is_large, wait).await
    });
    has_begun.await.unwrap();
    release
}

/// Lets the tasks that were spawned reach their place.
async fn until(condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < Duration::from_secs(10), "it never came true");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn each_priority_has_a_room_of_its_own_and_the_better_goes_first() {
    let pool = pool(1, 8, Duration::from_secs(60));
    let release = occupy(&pool, false).await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    // The worst come first and fill their rooms: 2 of 8, 4 of 8, 8.
    for (priority, room) in [(Priority::Suspected, 2), (Priority::Usual, 4), (Priority::Trusted, 8)] {
        for number in 0..room {
            let (pool_of_task, order) = (pool.clone(), order.clone());
            let note = move |_: &mut Memory| order.lock().push(priority);
            tasks.push(tokio::spawn(async move { pool_of_task.run(priority, false, note).await }));
            until(|| pool.figures().waiting[priority as usize] == number + 1).await;
        }
        let shed = pool.run(priority, false, |_| ()).await.unwrap_err();
        assert!((1..=LONGEST_RETRY).contains(&shed.retry_after), "{priority:?}: {shed:?}");
    }
    assert!(order.lock().is_empty(), "nothing was computed for those who were sent away");
    assert_eq!(pool.figures().shed, [1, 1, 1]);
    drop(release);
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let order = order.lock();
    assert_eq!(order.len(), 14);
    assert!(order.is_sorted(), "{order:?}");
}

#[tokio::test]
async fn who_goes_away_or_waits_too_long_leaves_room_and_is_not_computed() {
    let pool = pool(1, 1, Duration::from_millis(50));
    let release = occupy(&pool, false).await;
    let waited = pool.run(Priority::Usual, false, |_| panic!("it was given up")).await;
    assert!(waited.is_err(), "its time was over");
    let gone = tokio::spawn({
        let pool = pool.clone();
        async move { pool.run(Priority::Usual, false, |_| panic!("it was given up")).await }
    });
    until(|| pool.figures().waiting[Priority::Usual as usize] == 1).await;
    gone.abort();
    until(|| pool.figures().waiting[Priority::Usual as usize] == 0).await;
    // The room has one place, and it is free again.
    let last = tokio::spawn({
        let pool = pool.clone();
        async move { pool.run(Priority::Usual, false, |_| 7).await }
    });
    until(|| pool.figures().waiting[Priority::Usual as usize] == 1).await;
    drop(release);
    assert_eq!(last.await.unwrap(), Ok(7));
}

#[tokio::test]
async fn what_has_begun_is_waited_for() {
    let pool = pool(1, 1, Duration::from_millis(20));
    let (begun, has_begun) = mpsc::channel();
    let slow = pool.run(Priority::Usual, false, move |_| {
        begun.send(Instant::now()).unwrap();
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_millis(100) {}
        "whole"
    });
    assert_eq!(slow.await, Ok("whole"));
    has_begun.try_recv().unwrap();
}

#[tokio::test]
async fn never_more_at_once_than_threads_and_one_large() {
    let pool = pool(3, 64, Duration::from_secs(60));
    let counts = Arc::new(Mutex::new((0_usize, 0_usize, 0_usize, 0_usize)));
    let mut tasks = Vec::new();
    for number in 0..60 {
        let (pool, counts, is_large) = (pool.clone(), counts.clone(), number % 2 == 0);
        tasks.push(tokio::spawn(async move {
            let work = move |_: &mut Memory| {
                {
                    let mut counts = counts.lock();
                    counts.0 += 1;
                    counts.1 = counts.1.max(counts.0);
                    counts.2 += usize::from(is_large);
                    counts.3 = counts.3.max(counts.2);
                }
                let begin = Instant::now();
                while begin.elapsed() < Duration::from_millis(2) {}
                let mut counts = counts.lock();
                counts.0 -= 1;
                counts.2 -= usize::from(is_large);
            };
            pool.run(Priority::Usual, is_large, work).await
        }));
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let (_, most, _, most_large) = *counts.lock();
    assert!((2..=3).contains(&most), "{most}");
    assert_eq!(most_large, 1);
}

/// The niceness of each thread of this process whose name begins with `password-`.
#[cfg(target_os = "linux")]
fn nicenesses() -> Vec<i32> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let stats = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("stat")).ok());
    stats
        .filter(|stat| stat.contains("(password-"))
        .map(|stat| stat.rsplit(')').next().unwrap().split_whitespace().nth(16).unwrap().parse().unwrap())
        .collect()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn threads_step_back_and_end_with_the_pool() {
    let pool = pool(2, 1, Duration::from_secs(1));
    // Tests run side by side in one process; those of other pools are among them.
    pool.run(Priority::Usual, false, |_| ()).await.unwrap();
    until(|| nicenesses().len() >= 2 && nicenesses().iter().all(|niceness| *niceness == 10)).await;
    let weak = Arc::downgrade(&pool.shared);
    drop(pool);
    until(|| weak.strong_count() == 0).await;
}
