//! Transport streams over UDP, multicast, RTP and files, watched by the whole daemon.
