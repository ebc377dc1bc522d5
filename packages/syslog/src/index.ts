/** Sockets of syslog (TCP, TLS, UDP) and RELP: what senders say becomes events, and goes to one function. */
export {
  defaultSyslogLimits,
  type Listener,
  type ListenerCounters,
  type ListenerOptions,
  type ListenerTls,
  type Loss,
  type RecordEvents,
  type SyslogClock,
  type SyslogLimits,
  type Transport,
} from "./listener.ts";
export { lossEvent } from "./loss-event.ts";
export { SyslogServer, type SyslogServerOptions } from "./syslog-server.ts";
