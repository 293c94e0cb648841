//! A link between two programs that can be cut and blocked.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// What one reading takes at most.
const PIECE: usize = 64 * 1024;

/// How long a server may take to accept a connection; one that is frozen does not.
const PATIENCE: Duration = Duration::from_secs(5);

/// Passes on what is sent to an address on 127.0.0.1, and what comes back. It ends when this goes, with all of its connections.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    ends: Arc<Ends>,
}

/// In which direction nothing passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocked {
    /// What is asked does not arrive.
    Requests,
    /// What is asked arrives, and what is answered does not.
    Answers,
    /// Nothing passes.
    Both,
}

#[derive(Debug)]
struct Ends {
    to: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    blocked: Option<Blocked>,
    is_cut: bool,
    is_over: bool,
    /// Both ends of each connection, by number.
    open: HashMap<u64, [TcpStream; 2]>,
    next: u64,
}

impl Link {
    /// A link to a port of 127.0.0.1, on a free port.
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let address = listener.local_addr().expect("it has an address");
        let state = Mutex::new(State::default());
        let ends = Arc::new(Ends { to: ([127, 0, 0, 1], port).into(), state, changed: Condvar::new() });
        let accepts = ends.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                if accepts.state.lock().unwrap().is_over {
                    return;
                }
                if let Ok(stream) = stream {
                    let ends = accepts.clone();
                    thread::spawn(move || ends.open(stream));
                }
            }
        });
        Self { address, ends }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks all connections off, and lets nobody connect until it is healed.
    pub fn cut(&self) {
        let mut state = self.ends.state.lock().unwrap();
        state.is_cut = true;
        state.close();
        drop(state);
        self.ends.changed.notify_all();
    }

    /// Connections stay open, and what is sent waits until it is healed.
    pub fn block(&self, blocked: Blocked) {
        self.ends.state.lock().unwrap().blocked = Some(blocked);
    }

    /// Everything passes, first what has waited.
    pub fn heal(&self) {
        let mut state = self.ends.state.lock().unwrap();
        (state.blocked, state.is_cut) = (None, false);
        drop(state);
        self.ends.changed.notify_all();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.ends.state.lock().unwrap().is_over = true;
        self.cut();
        // The one who accepts looks again.
        let _woken = TcpStream::connect(self.address);
    }
}

impl State {
    fn close(&mut self) {
        for end in self.open.drain().flat_map(|(_, ends)| ends) {
            let _closed_already = end.shutdown(Shutdown::Both);
        }
    }
}

impl Ends {
    fn open(self: Arc<Self>, near: TcpStream) {
        if self.state.lock().unwrap().is_cut {
            return;
        }
        let Ok(far) = TcpStream::connect_timeout(&self.to, PATIENCE) else { return };
        for end in [&near, &far] {
            end.set_nodelay(true).expect("it is a TCP connection");
        }
        let twice = |end: &TcpStream| end.try_clone().expect("there are file descriptors left");
        let number = {
            let mut state = self.state.lock().unwrap();
            // It may have been cut meanwhile.
            if state.is_cut {
                return;
            }
            state.next += 1;
            let number = state.next;
            state.open.insert(number, [twice(&near), twice(&far)]);
            number
        };
        let (answers, back) = (self.clone(), [twice(&far), twice(&near)]);
        thread::spawn(move || answers.pass(number, back, Blocked::Requests));
        self.pass(number, [near, far], Blocked::Answers);
    }

    /// Passes on what comes until one of both ends, unless more is blocked than this.
    fn pass(&self, number: u64, [mut from, mut to]: [TcpStream; 2], may_be_blocked: Blocked) {
        let mut piece = vec![0; PIECE];
        while let Ok(length @ 1..) = from.read(&mut piece) {
            let waits = |state: &mut State| {
                state.blocked.is_some_and(|blocked| blocked != may_be_blocked) && state.open.contains_key(&number)
            };
            drop(self.changed.wait_while(self.state.lock().unwrap(), waits).unwrap());
            if to.write_all(&piece[..length]).is_err() {
                break;
            }
        }
        self.state.lock().unwrap().open.remove(&number);
        for end in [&from, &to] {
            let _closed_already = end.shutdown(Shutdown::Both);
        }
        // The other direction may wait.
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_blocked_comes_later_and_what_is_cut_never() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let link = Link::to(listener.local_addr().unwrap().port());
        let mut near = TcpStream::connect(link.address()).unwrap();
        let mut far = listener.accept().unwrap().0;
        let mut byte = [0];
        for blocked in [Blocked::Requests, Blocked::Answers, Blocked::Both] {
            link.block(blocked);
            near.write_all(b"a").unwrap();
            far.write_all(b"b").unwrap();
            for (end, expected, passes) in
                [(&mut far, b"a", blocked == Blocked::Answers), (&mut near, b"b", blocked == Blocked::Requests)]
            {
                if !passes {
                    end.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
                    end.read_exact(&mut byte).unwrap_err();
                    end.set_read_timeout(None).unwrap();
                    continue;
                }
                end.read_exact(&mut byte).unwrap();
                assert_eq!(&byte, expected);
            }
            link.heal();
            for (end, expected, waited) in
                [(&mut far, b"a", blocked != Blocked::Answers), (&mut near, b"b", blocked != Blocked::Requests)]
            {
                if waited {
                    end.read_exact(&mut byte).unwrap();
                    assert_eq!(&byte, expected);
                }
            }
        }
        link.cut();
        assert!(!matches!(near.read(&mut byte), Ok(1)));
        assert!(!matches!(far.read(&mut byte), Ok(1)));
        let mut refused = TcpStream::connect(link.address()).unwrap();
        assert!(!matches!(refused.read(&mut byte), Ok(1)));
        link.heal();
        let mut near = TcpStream::connect(link.address()).unwrap();
        near.write_all(b"c").unwrap();
        listener.accept().unwrap().0.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"c");
    }
}
