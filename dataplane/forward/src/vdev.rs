//! Device arguments of EAL (`--vdev=net_vhost0,iface=/run/v.sock,queues=2`): the parts of them that
//! umbra must know to look after a port, and the sockets that a killed process leaves behind.

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// A virtual device as EAL is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vdev {
    /// Name of the device, the driver's name and a number: `net_vhost0`.
    pub name: String,
    /// The rest, without the comma.
    pub args: String,
}

impl Vdev {
    /// From `name[,key=value]…`.
    pub fn parse(text: &str) -> Vdev {
        match text.split_once(',') {
            Some((name, args)) => Vdev { name: name.to_owned(), args: args.to_owned() },
            None => Vdev { name: text.to_owned(), args: String::new() },
        }
    }

    /// All `--vdev` options among EAL arguments, in both spellings (`--vdev=X`, `--vdev X`).
    pub fn from_eal_args<S: AsRef<str>>(args: &[S]) -> Vec<Vdev> {
        let mut vdevs = Vec::new();
        let mut args = args.iter().map(AsRef::as_ref);
        while let Some(arg) = args.next() {
            if let Some(text) = arg.strip_prefix("--vdev=") {
                vdevs.push(Vdev::parse(text));
            } else if arg == "--vdev"
                && let Some(text) = args.next()
            {
                vdevs.push(Vdev::parse(text));
            }
        }
        vdevs
    }

    /// Value of an argument.
    pub fn arg(&self, key: &str) -> Option<&str> {
        self.args.split(',').find_map(|pair| {
            let (k, v) = pair.split_once('=')?;
            (k.trim() == key).then_some(v.trim())
        })
    }

    /// Name without the number at its end: `net_vhost`. EAL takes both `net_` and `eth_` forms.
    pub fn driver(&self) -> &str {
        self.name.trim_end_matches(|c: char| c.is_ascii_digit())
    }

    /// The kernel interface below the device, for the drivers that stand on one.
    pub fn netdev(&self) -> Option<&str> {
        match self.driver() {
            "net_af_xdp" | "net_af_packet" | "eth_af_packet" => self.arg("iface"),
            "net_pcap" | "eth_pcap" => ["iface", "rx_iface", "rx_iface_in", "tx_iface"]
                .into_iter()
                .find_map(|key| self.arg(key)),
            _ => None,
        }
    }

    /// The socket that the device listens on, for vhost in server mode.
    pub fn listening_socket(&self) -> Option<&Path> {
        let is_vhost = matches!(self.driver(), "net_vhost" | "eth_vhost");
        let is_client = self.arg("client").is_some_and(|v| v != "0");
        if is_vhost && !is_client { self.arg("iface").map(Path::new) } else { None }
    }
}

/// A socket path that a device cannot listen on.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Somebody answers there.
    #[error(
        "vhost socket {path} is in use: another process listens on it. Stop that process, or give \
         {device} another iface= path"
    )]
    InUse { device: String, path: PathBuf },
    /// Something else is there.
    #[error(
        "vhost socket {path} of {device} exists and is not a socket. Remove it or give another \
         iface= path"
    )]
    NotASocket { device: String, path: PathBuf },
    /// The stale socket cannot be removed.
    #[error("cannot remove the stale vhost socket {path} of {device}: {source}")]
    Unremovable { device: String, path: PathBuf, source: io::Error },
    /// The folder is not there.
    #[error(
        "the folder of vhost socket {path} of {device} does not exist. Make it: mkdir -p {folder}"
    )]
    NoFolder { device: String, path: PathBuf, folder: PathBuf },
}

/// Makes the way free for the device's socket: a socket on which nobody answers, left by a process
/// that was killed, is removed. True when one was.
pub fn clear_stale_socket(vdev: &Vdev) -> Result<bool, SocketError> {
    let Some(path) = vdev.listening_socket() else {
        return Ok(false);
    };
    let device = vdev.name.clone();
    let owned = path.to_path_buf();
    let Ok(metadata) = path.symlink_metadata() else {
        return match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
                let folder = folder.to_path_buf();
                Err(SocketError::NoFolder { device, path: owned, folder })
            }
            _ => Ok(false),
        };
    };
    if !metadata.file_type().is_socket() {
        return Err(SocketError::NotASocket { device, path: owned });
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(SocketError::InUse { device, path: owned }),
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(|source| SocketError::Unremovable {
                device,
                path: owned,
                source,
            })?;
            Ok(true)
        }
        Err(_) => Err(SocketError::InUse { device, path: owned }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn both_spellings_of_vdev_are_read() {
        let args =
            ["--no-pci", "--vdev=net_null0,size=64", "--vdev", "net_vhost1,iface=/t/s,queues=2"];
        let vdevs = Vdev::from_eal_args(&args);
        assert_eq!(vdevs.len(), 2);
        assert_eq!(vdevs[0].arg("size"), Some("64"));
        assert_eq!(vdevs[1].driver(), "net_vhost");
        assert_eq!(vdevs[1].listening_socket(), Some(Path::new("/t/s")));
        assert_eq!(vdevs[1].arg("client"), None);
    }

    #[test]
    fn a_vhost_client_listens_on_nothing_and_af_xdp_stands_on_a_netdev() {
        assert_eq!(Vdev::parse("net_vhost0,iface=/t/s,client=1").listening_socket(), None);
        assert_eq!(Vdev::parse("net_af_xdp0,iface=veth0").netdev(), Some("veth0"));
        assert_eq!(Vdev::parse("net_null0").netdev(), None);
        assert_eq!(Vdev::parse("net_pcap0,rx_iface_in=v1,tx_iface=v1").netdev(), Some("v1"));
        assert_eq!(Vdev::parse("net_pcap0,rx_pcap=a.pcap").netdev(), None);
    }

    #[test]
    fn a_stale_socket_is_removed_and_a_live_one_is_an_error() {
        let folder = std::env::temp_dir().join(format!("umbra-vdev-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("v.sock");
        let vdev = Vdev::parse(&format!("net_vhost0,iface={}", path.display()));

        assert!(!clear_stale_socket(&vdev).unwrap(), "nothing there");
        let listener = UnixListener::bind(&path).unwrap();
        assert!(matches!(clear_stale_socket(&vdev), Err(SocketError::InUse { .. })));
        drop(listener);
        assert!(path.exists(), "a dropped listener leaves its socket");
        assert!(clear_stale_socket(&vdev).unwrap());
        assert!(!path.exists());

        std::fs::write(&path, "a file").unwrap();
        assert!(matches!(clear_stale_socket(&vdev), Err(SocketError::NotASocket { .. })));
        std::fs::remove_dir_all(&folder).unwrap();
        let error = clear_stale_socket(&vdev).unwrap_err();
        assert!(error.to_string().contains("mkdir -p"), "{error}");
    }
}
