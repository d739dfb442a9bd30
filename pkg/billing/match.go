package billing

import (
	"fmt"
	"net/netip"
	"strings"
)

// prefixes are numbers' beginnings; none matches any number.
type prefixes struct {
	set     map[string]bool
	longest int
}

func readPrefixes(list []string) (p prefixes, err error) {
	p.set = make(map[string]bool, len(list))
	for _, s := range list {
		digits := strings.TrimPrefix(s, "+")
		if digits == "" || strings.Trim(digits, "0123456789") != "" {
			return p, fmt.Errorf("prefixes: %q; use digits, as +49 or 0049", s)
		}
		s = international(s)
		p.set[s] = true
		p.longest = max(p.longest, len(s))
	}
	return p, nil
}

// match returns the length of the longest prefix of number, 0 where any number
// will do, -1 where none matches.
func (p *prefixes) match(number string) int {
	if len(p.set) == 0 {
		return 0
	}
	for n := min(p.longest, len(number)); n > 0; n-- {
		if p.set[number[:n]] {
			return n
		}
	}
	return -1
}

// gateways are a carrier's addresses; none matches any.
type gateways struct {
	sockets map[netip.AddrPort]bool
	nets    []netip.Prefix
}

// A socket is closer than an address, an address than a network.
const socketScore = 129 + 1

func readGateways(list []string) (g gateways, err error) {
	g.sockets = make(map[netip.AddrPort]bool)
	for _, s := range list {
		if ap, err := netip.ParseAddrPort(s); err == nil {
			g.sockets[plain(ap)] = true
			continue
		}
		if a, err := netip.ParseAddr(s); err == nil {
			a = a.Unmap()
			g.nets = append(g.nets, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return g, fmt.Errorf("gateways: %q; use an address, address:port or network, as 192.0.2.1, 192.0.2.1:5060 or 192.0.2.0/24", s)
		}
		g.nets = append(g.nets, p.Masked())
	}
	return g, nil
}

// readAddr reads "ip:port"; what is no address is the zero value, which no
// gateway matches.
func readAddr(addr string) netip.AddrPort {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return netip.AddrPort{}
	}
	return plain(ap)
}

func plain(ap netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// match returns how close the closest gateway is, 0 where any will do, -1 where
// none matches.
func (g *gateways) match(at netip.AddrPort) int {
	if len(g.sockets)+len(g.nets) == 0 {
		return 0
	}
	if g.sockets[at] {
		return socketScore
	}
	best := -1
	for _, p := range g.nets {
		if p.Contains(at.Addr()) {
			// Both families count in full: a single address is as close in either.
			best = max(best, 128-at.Addr().BitLen()+p.Bits()+1)
		}
	}
	return best
}
