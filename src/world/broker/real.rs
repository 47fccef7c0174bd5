//! rumqttc. Its event loop lives for one connection and is thrown away with it: after an error it would drop what is
//! queued, or send it in a new order. It runs in a task of its own, because cancelling its `poll` can lose a packet that
//! it already counts as sent.

use super::{
    CONNECT, Call, Dial, Happened, Link, Login, Lost, Note, PACKET, Password, Soon, Token, Unsendable, WINDOW, Why,
};
use crate::world::files::{Disk, Files};
use rumqttc::mqttbytes;
use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, LastWill, MqttOptions, NetworkOptions, Outgoing,
    Packet, QoS, StateError, TlsConfiguration, TlsError, Transport,
};
use std::collections::VecDeque;
use std::io;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Largest packet taken from a broker, in bytes. We subscribe to nothing: only acknowledgements come.
const INCOMING: usize = 4096;

/// Brokers on the network.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mqtt;

impl Dial for Mqtt {
    fn dial<'a>(&'a self, call: &'a Call) -> Soon<'a, Result<Box<dyn Link>, Lost>> {
        Box::pin(async move {
            let (client, mut events) = AsyncClient::new(options(call)?, WINDOW + 1);
            let mut network = NetworkOptions::new();
            network.set_connection_timeout(CONNECT.as_secs());
            network.set_tcp_nodelay(true);
            events.set_network_options(network);
            // The first poll connects and returns CONNACK.
            events.poll().await.map_err(|e| lost(&e))?;
            let (tell, hear) = mpsc::channel(WINDOW + 1);
            let driver = tokio::spawn(drive(events, tell));
            Ok(Box::new(Line { client, hear, driver, next: 0 }) as Box<dyn Link>)
        })
    }
}

fn options(call: &Call) -> Result<MqttOptions, Lost> {
    // rumqttc takes an IPv6 address without its brackets: with them rustls finds no name in it, and what splits host
    // from port takes the last colon.
    let host = call.host.trim_start_matches('[').trim_end_matches(']');
    let mut options = MqttOptions::new(&call.client_id, host, call.port);
    let will = &call.will;
    options
        .set_clean_session(true)
        .set_keep_alive(call.keep_alive)
        .set_max_packet_size(INCOMING, PACKET)
        // Packet identifiers run from 1 to this and start over. Twice the window, so that the next one is always free,
        // whatever the order of acknowledgements: a collision can leave rumqttc waiting for ever.
        .set_inflight(2 * WINDOW as u16)
        .set_last_will(LastWill::new(&will.topic, will.payload.clone(), QoS::AtLeastOnce, will.retain));
    if let Some(Login { user, password }) = &call.login {
        let password = match password {
            Password::None => String::new(),
            Password::Text(secret) => secret.expose().to_owned(),
            Password::File(path) => {
                Disk.secret(path).map_err(|e| Lost::new(Why::File, format!("{e}: {}", e.source)))?.expose().to_owned()
            }
        };
        options.set_credentials(user, password);
    }
    if let Some(tls) = &call.tls {
        let config = super::tls::config(tls)?;
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(config)));
    }
    Ok(options)
}

/// Polls until the connection is gone. Matches acknowledgements to tokens: rumqttc says `Outgoing::Publish(pkid)` in
/// the order in which messages were handed over.
async fn drive(mut events: EventLoop, tell: mpsc::Sender<Happened>) {
    let mut sent: VecDeque<(u16, Token)> = VecDeque::new();
    let mut next = 0;
    loop {
        let happened = match events.poll().await {
            Ok(Event::Outgoing(Outgoing::Publish(pkid))) => {
                sent.push_back((pkid, Token(next)));
                next += 1;
                continue;
            }
            Ok(Event::Incoming(Packet::PubAck(ack))) => {
                let Some(at) = sent.iter().position(|(pkid, _)| *pkid == ack.pkid) else { continue };
                match sent.remove(at) {
                    Some((_, token)) => Happened::Acked(token),
                    None => continue,
                }
            }
            // The packet was flushed before the event was handed out.
            Ok(Event::Outgoing(Outgoing::Disconnect)) => return,
            Ok(_) => continue,
            Err(e) => Happened::Lost(lost(&e)),
        };
        let over = matches!(happened, Happened::Lost(_));
        // The channel holds a whole window and the loss, so this waits for nobody; without a listener all is over.
        if tell.send(happened).await.is_err() || over {
            return;
        }
    }
}

struct Line {
    client: AsyncClient,
    hear: mpsc::Receiver<Happened>,
    driver: JoinHandle<()>,
    next: u64,
}

impl Link for Line {
    fn publish(&mut self, note: &Note) -> Result<Token, Unsendable> {
        note.check()?;
        // It fails when the driver is gone, and then the loss is what `next` says; the queue has room for a window.
        let _gone = self.client.try_publish(&note.topic, QoS::AtLeastOnce, note.retain, note.payload.clone());
        let token = Token(self.next);
        self.next += 1;
        Ok(token)
    }

    fn next(&mut self) -> Soon<'_, Happened> {
        Box::pin(async move {
            let gone = || Happened::Lost(Lost::new(Why::Closed, "the connection is over"));
            self.hear.recv().await.unwrap_or_else(gone)
        })
    }

    fn bye(mut self: Box<Self>) -> Soon<'static, ()> {
        Box::pin(async move {
            if self.client.try_disconnect().is_ok() {
                while self.hear.recv().await.is_some() {}
            }
        })
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Says why, in words of our own: rumqttc's texts can quote packets.
fn lost(error: &ConnectionError) -> Lost {
    match error {
        ConnectionError::NetworkTimeout => {
            Lost::new(Why::Timeout, format!("no connection within {} s", CONNECT.as_secs()))
        }
        ConnectionError::FlushTimeout => Lost::new(Why::Timeout, "the broker takes no more bytes"),
        ConnectionError::Tls(TlsError::Io(e)) => io_lost(e, Why::Tls),
        ConnectionError::Tls(TlsError::TLS(e)) => Lost::new(Why::Tls, e.to_string()),
        ConnectionError::Tls(TlsError::DNSName(_)) => Lost::new(Why::Tls, "the host is no name that TLS could check"),
        ConnectionError::Tls(_) => Lost::new(Why::Tls, "TLS could not be set up"),
        // The resolver's errors carry no number of the system; those of connect(2) do.
        ConnectionError::Io(e) if e.raw_os_error().is_none() && tls_inside(e).is_none() => {
            Lost::new(Why::Dns, e.to_string())
        }
        ConnectionError::Io(e) => io_lost(e, Why::Closed),
        ConnectionError::ConnectionRefused(code) => refused(*code),
        ConnectionError::NotConnAck(_) => Lost::new(Why::Protocol, "the answer to CONNECT was not CONNACK"),
        ConnectionError::RequestsDone => Lost::new(Why::Closed, "closed by us"),
        ConnectionError::MqttState(e) => state_lost(e),
    }
}

fn refused(code: ConnectReturnCode) -> Lost {
    match code {
        ConnectReturnCode::BadUserNamePassword => Lost::new(Why::Auth, "wrong user name or password"),
        ConnectReturnCode::NotAuthorized => Lost::new(Why::Auth, "not authorized"),
        ConnectReturnCode::ServiceUnavailable => Lost::new(Why::Refused, "the broker says it is not available"),
        ConnectReturnCode::BadClientId => Lost::new(Why::Protocol, "the broker does not take this client_id"),
        _ => Lost::new(Why::Protocol, "the broker does not speak MQTT 3.1.1"),
    }
}

fn state_lost(error: &StateError) -> Lost {
    match error {
        StateError::ConnectionAborted => Lost::new(Why::Closed, "closed by the broker"),
        StateError::AwaitPingResp => Lost::new(Why::Timeout, "no answer to a ping within the keep-alive"),
        StateError::Io(e) | StateError::Deserialization(mqttbytes::Error::Io(e)) => io_lost(e, Why::Closed),
        _ => Lost::new(Why::Protocol, "the broker breaks the rules of MQTT 3.1.1"),
    }
}

fn tls_inside(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

fn io_lost(error: &io::Error, otherwise: Why) -> Lost {
    let why = match error.kind() {
        _ if tls_inside(error).is_some() => Why::Tls,
        io::ErrorKind::ConnectionRefused => Why::Refused,
        io::ErrorKind::TimedOut => Why::Timeout,
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => Why::Unreachable,
        io::ErrorKind::UnexpectedEof => Why::Closed,
        _ => otherwise,
    };
    Lost::new(why, error.to_string())
}
