//! Children with their pipes, and signals.

use super::drops::{at_each_point, dropped_after, in_vain};
use std::process::{Command, Stdio};
use underpin::rt::io::{BufReader, BufWriter, PollRead};
use underpin::rt::process::spawn;
use underpin::rt::signal::signal;

pub(super) async fn all() {
    children().await;
    pipes().await;
    signals().await;
}

async fn children() {
    let mut child = spawn(Command::new("sleep").arg("1000")).expect("started");
    in_vain(async || child.wait().await).await;
    assert_eq!(child.try_wait().expect("asked"), None, "a wait is no kill");
    let status = at_each_point(async || child.kill().await).await;
    let status = status.expect("killed");
    assert!(!status.success());
    assert_eq!(child.wait().await.expect("again"), status);

    // Dropping this drops the child, which ends since its input does.
    let mut started = 0;
    let output = at_each_point(async || {
        started += 1;
        let mut command = Command::new("cat");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let child = spawn(&mut command).expect("started");
        child.wait_with_output(100).await
    });
    assert!(output.await.expect("ended").status.success());
    assert!(started > 1);
}

async fn pipes() {
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.stderr(Stdio::piped());
    let mut child = spawn(&mut command).expect("started");
    let mut input = BufWriter::new(child.stdin.take().expect("piped"), 10);
    let mut output = BufReader::new(child.stdout.take().expect("piped"));
    let mut errors = child.stderr.take().expect("piped");
    in_vain(async || output.next_line(100).await).await;
    in_vain(async || core::future::poll_fn(|cx| errors.poll_read(cx, &mut [0; 8])).await).await;
    input.write(b"a line\n").await.expect("added");
    at_each_point(async || input.flush().await)
        .await
        .expect("written");
    let line = output.next_line(100).await.expect("read");
    assert_eq!(line.as_deref(), Some("a line"));

    // More than the two pipes and the child hold: what was told is what comes.
    let piece = vec![b'x'; 4096];
    let mut told = 0;
    while let Some(wrote) = dropped_after(1, 1, input.write(&piece)).await {
        wrote.expect("added");
        told += piece.len();
    }
    let mut got = 0;
    while got < told / 2 {
        let count = output.fill().await.expect("read").len();
        got += count;
        output.consume(count);
    }
    at_each_point(async || input.flush().await)
        .await
        .expect("written");
    drop(input);
    loop {
        let count = output.fill().await.expect("read").len();
        if count == 0 {
            break;
        }
        got += count;
        output.consume(count);
    }
    assert_eq!(got, told);
    assert!(child.wait().await.expect("ended").success());
}

async fn signals() {
    const USR1: i32 = 10;
    let mut events = signal(USR1).expect("heard");
    in_vain(async || events.recv().await).await;
    let mut kill = Command::new("kill");
    kill.args(["-USR1", &std::process::id().to_string()]);
    let status = spawn(&mut kill).expect("started").wait().await;
    assert!(status.expect("ended").success());
    events.recv().await.expect("heard");
    in_vain(async || events.recv().await).await;
}
