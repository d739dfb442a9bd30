// Package kamailiocfg carries the Kamailio configuration files of byeguard: the
// three include files for operators, one complete small proxy, and the lab's
// test-only behaviours. It only embeds them; starting a Kamailio is up to others.
package kamailiocfg

import "embed"

// Files holds byeguard-params.cfg, byeguard-routes.cfg, byeguard-events.cfg,
// kamailio.cfg, and testdata/lab-params.cfg and testdata/lab.cfg. Written to one
// directory with the same relative paths, kamailio.cfg finds its imports.
//
//go:embed *.cfg testdata/*.cfg
var Files embed.FS
