// Package dhcp is the host's DHCPv4 client: a pure state machine, Step(now, event)
// []Action, without socket, clock or goroutine (the shell around it is in package
// netstack). World W2.
//
// Specification: RFC 2131 section 4.4 (client behaviour, figure 5) and RFC 2132
// (options). The encoding is that of insomniacslk/dhcp.
//
// What differs from the RFC: the first message is sent at once, not after 1 to 10
// seconds, and the first retry comes after 1 second instead of 4, because a host
// should be reachable soon after power-on. A lease shorter than a minute counts as
// one minute, so that a hostile server cannot make the host send without pause.
//
// Not supported: an address remembered from before the start (INIT-REBOOT is done
// when the carrier comes back), DECLINE after an address conflict, relay agents'
// options, classless routes (option 121).
package dhcp
