//! The control socket: one JSON request per line in, one JSON answer per line out.
//!
//! A request is `{"version":1,"command":"percentage","value":5.0}`, an answer
//! `{"version":1,"ok":true,"result":{…}}` or `{"version":1,"ok":false,"error":"…"}`. The socket has
//! mode 0660: who may connect is decided by its owner and group.
//!
//! A thread accepts, one more serves each connection; both only pass requests to the control thread
//! and wait for its answer, so that no client can disturb anything but itself.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, bounded};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Version of the protocol.
pub const VERSION: u32 = 1;
/// Longest request in bytes.
const REQUEST_BYTES_MAX: u64 = 64 * 1024;
/// Connections served at once; a further one is told so and closed.
const CONNECTIONS_MAX: usize = 32;
/// Longest wait for the control thread.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// A client that sends nothing for so long is disconnected.
const IDLE_LIMIT: Duration = Duration::from_secs(300);

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Ports, wires, instances, percentage.
    Status,
    /// The exact packet accounts.
    Ledger,
    /// Sets the sampled percentage, or only tells it.
    Percentage {
        /// 0.0–100.0.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<f64>,
    },
    /// What the profiles have seen, merged over the instances.
    Profile,
    /// Something done to one shadow instance.
    Instance {
        /// Its index, from 0.
        index: usize,
        /// What.
        action: InstanceAction,
    },
}

/// What can be done to a shadow instance while traffic flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceAction {
    /// Drains its rings and ends; its share of the sample counts as `no_instance`.
    Stop,
    /// Starts it again with new rings.
    Start,
    /// Stops consuming, so that its rings fill: to see what a hung analyzer does.
    Pause,
    /// Goes on consuming.
    Resume,
    /// Retires it as it is, remainder `discarded`, and puts a new one in its place.
    Replace,
}

#[derive(Debug, Serialize, Deserialize)]
struct Request {
    version: u32,
    #[serde(flatten)]
    command: Command,
}

/// An answer: a result, or why not.
pub type Answer = Result<Value, String>;

/// A request on its way to the control thread.
#[derive(Debug)]
pub struct Pending {
    /// What is asked.
    pub command: Command,
    reply: Sender<Answer>,
}

impl Pending {
    /// Answers; a client that has gone is no error.
    pub fn answer(self, answer: Answer) {
        let _ = self.reply.try_send(answer);
    }
}

/// The socket cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// Another umbra answers there.
    #[error(
        "control socket {path} is in use: another umbra listens on it. Stop it, or give this one \
         its own: control_socket in [host]"
    )]
    InUse { path: PathBuf },
    /// The path is taken by something else.
    #[error("control socket {path} exists and is not a socket: remove it")]
    NotASocket { path: PathBuf },
    /// Cannot be made.
    #[error(
        "cannot make control socket {path}: {source}. Is its folder there and writable? (control_socket in [host])"
    )]
    Bind { path: PathBuf, source: io::Error },
}

/// The server of the control socket; dropping it closes and removes the socket.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// Asks the control thread from within the process.
#[derive(Debug, Clone)]
pub struct Requester {
    requests: Sender<Pending>,
}

impl Requester {
    /// Passes a command on and waits for the answer, for `limit` at most.
    pub fn ask(&self, command: Command, limit: Duration) -> Answer {
        let (reply, answer) = bounded(1);
        self.requests
            .send_timeout(Pending { command, reply }, limit)
            .map_err(|_| "umbra is stopping or too busy to answer".to_owned())?;
        answer
            .recv_timeout(limit)
            .map_err(|_| format!("no answer within {} s", limit.as_secs_f64()))?
    }
}

/// A way to ask, and where the control thread takes the requests.
pub fn requests() -> (Requester, Receiver<Pending>) {
    let (requests, receiver) = bounded(CONNECTIONS_MAX);
    (Requester { requests }, receiver)
}

impl Server {
    /// Listens on `path` and passes requests on.
    pub fn start(path: &Path, requests: Requester) -> Result<Server, ApiError> {
        let listener = listen(path)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("umbra-api".to_owned())
            .spawn(move || accept(&listener, &requests, &stopping))
            .map_err(|source| ApiError::Bind { path: path.to_path_buf(), source })?;
        Ok(Server { path: path.to_path_buf(), stop, thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // Wakes the accept call.
        let _ = UnixStream::connect(&self.path);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(&self.path);
    }
}

fn listen(path: &Path) -> Result<UnixListener, ApiError> {
    let owned = || path.to_path_buf();
    if let Ok(metadata) = path.symlink_metadata() {
        if !metadata.file_type().is_socket() {
            return Err(ApiError::NotASocket { path: owned() });
        }
        if UnixStream::connect(path).is_ok() {
            return Err(ApiError::InUse { path: owned() });
        }
        let _ = std::fs::remove_file(path);
    }
    let bind = |source| ApiError::Bind { path: owned(), source };
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(bind)?;
    }
    let listener = UnixListener::bind(path).map_err(bind)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660)).map_err(bind)?;
    Ok(listener)
}

fn accept(listener: &UnixListener, requests: &Requester, stop: &AtomicBool) {
    let connections = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        if stop.load(Ordering::Acquire) {
            return;
        }
        let Ok(mut stream) = stream else {
            std::thread::sleep(Duration::from_millis(10));
            continue;
        };
        if connections.fetch_add(1, Ordering::AcqRel) >= CONNECTIONS_MAX {
            connections.fetch_sub(1, Ordering::AcqRel);
            let _ = write_answer(&mut stream, Err(format!("busy: {CONNECTIONS_MAX} connections")));
            continue;
        }
        let requests = requests.clone();
        let count = Arc::clone(&connections);
        let served = std::thread::Builder::new().name("umbra-client".to_owned()).spawn(move || {
            if let Err(e) = serve(stream, &requests) {
                log::debug!("control socket: a client ended with {e}");
            }
            count.fetch_sub(1, Ordering::AcqRel);
        });
        if served.is_err() {
            connections.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

fn serve(stream: UnixStream, requests: &Requester) -> io::Result<()> {
    stream.set_read_timeout(Some(IDLE_LIMIT))?;
    stream.set_write_timeout(Some(ANSWER_LIMIT))?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        reader.by_ref().take(REQUEST_BYTES_MAX).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(());
        }
        if line.last() != Some(&b'\n') && line.len() as u64 >= REQUEST_BYTES_MAX {
            let limit = format!("request longer than {REQUEST_BYTES_MAX} bytes");
            return write_answer(&mut writer, Err(limit));
        }
        write_answer(&mut writer, ask(&line, requests))?;
    }
}

fn ask(line: &[u8], requests: &Requester) -> Answer {
    let request: Request = serde_json::from_slice(line).map_err(|e| {
        format!("not a request: {e}. A request is one line of JSON: {{\"version\":1,\"command\":\"status\"}}")
    })?;
    if request.version != VERSION {
        return Err(format!("version {} asked, version {VERSION} spoken", request.version));
    }
    requests.ask(request.command, ANSWER_LIMIT)
}

fn write_answer(stream: &mut UnixStream, answer: Answer) -> io::Result<()> {
    let body = match answer {
        Ok(result) => json!({"version": VERSION, "ok": true, "result": result}),
        Err(error) => json!({"version": VERSION, "ok": false, "error": error}),
    };
    let mut text = body.to_string();
    text.push('\n');
    stream.write_all(text.as_bytes())
}

/// Asks the umbra behind `path`. The outer error is of the connection, with what to do about it.
pub fn call(path: &Path, command: Command) -> anyhow::Result<Answer> {
    use anyhow::Context;
    let stream = UnixStream::connect(path).with_context(|| {
        format!(
            "no umbra answers on {}: is `umbra run` running? (another socket: --socket PATH)",
            path.display()
        )
    })?;
    stream.set_read_timeout(Some(ANSWER_LIMIT * 2))?;
    let mut text = serde_json::to_string(&Request { version: VERSION, command })?;
    text.push('\n');
    (&stream).write_all(text.as_bytes())?;
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line).context("no answer")?;
    let mut answer: Value = serde_json::from_str(&line).context("the answer is not JSON")?;
    if answer["ok"] == json!(true) {
        Ok(Ok(answer["result"].take()))
    } else {
        Ok(Err(answer["error"].as_str().unwrap_or("refused").to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo_server(path: &Path) -> (Server, std::thread::JoinHandle<()>) {
        let (requester, requests) = requests();
        let server = Server::start(path, requester).unwrap();
        let thread = std::thread::spawn(move || {
            for pending in requests {
                let answer = match &pending.command {
                    Command::Percentage { value: Some(v) } if *v > 100.0 => {
                        Err(format!("{v} is not within 0.0–100.0"))
                    }
                    command => Ok(serde_json::to_value(command).unwrap()),
                };
                pending.answer(answer);
            }
        });
        (server, thread)
    }

    #[test]
    fn requests_are_answered_and_refusals_say_why() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/umbra.sock");
        let (server, thread) = echo_server(&path);
        let answer = call(&path, Command::Status).unwrap().unwrap();
        assert_eq!(answer["command"], "status");
        let refused = call(&path, Command::Percentage { value: Some(101.0) }).unwrap();
        assert_eq!(refused.unwrap_err(), "101 is not within 0.0–100.0");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
        assert!(matches!(Server::start(&path, super::requests().0), Err(ApiError::InUse { .. })));
        drop(server);
        thread.join().unwrap();
        assert!(!path.exists());
        assert!(call(&path, Command::Status).unwrap_err().to_string().contains("umbra run"));
    }

    #[test]
    fn nonsense_is_refused_and_the_next_request_is_served() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("u.sock");
        let (_server, _thread) = echo_server(&path);
        let stream = UnixStream::connect(&path).unwrap();
        let mut reader = BufReader::new(&stream);
        let long = "x".repeat(1000);
        let lines = [
            "",
            "{}",
            "[1]",
            "\u{0}",
            "{\"version\":9,\"command\":\"status\"}",
            "{\"version\":1,\"command\":\"nothing\"}",
            &long,
        ];
        for line in lines {
            (&stream).write_all(format!("{line}\n").as_bytes()).unwrap();
            let mut answer = String::new();
            reader.read_line(&mut answer).unwrap();
            assert!(answer.contains("\"ok\":false"), "{line} → {answer}");
        }
        (&stream).write_all(b"{\"version\":1,\"command\":\"ledger\"}\n").unwrap();
        let mut answer = String::new();
        reader.read_line(&mut answer).unwrap();
        assert!(answer.contains("\"ok\":true"), "{answer}");
    }

    #[test]
    fn an_endless_line_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("u.sock");
        let (_server, _thread) = echo_server(&path);
        let stream = UnixStream::connect(&path).unwrap();
        let _ = (&stream).write_all(&vec![b'a'; REQUEST_BYTES_MAX as usize]);
        let mut answer = String::new();
        BufReader::new(&stream).read_line(&mut answer).unwrap();
        assert!(answer.contains("longer than"), "{answer}");
    }
}
