package evapi

import "github.com/byeguard/byeguard/pkg/call"

// key numbers the wire keys. All numbers are below 64: the decoder keeps one
// bit for each.
type key uint8

const (
	keyUnknown key = iota
	keyKind
	keyBoot
	keySeq
	keySent
	keyTime
	keyCallID
	keyFromTag
	keyToTag
	keyCallerTag
	keyDialog
	keyMethod
	keyCSeq
	keySource
	keyPeerSource
	keySocket
	keyCode
	keyReason
	keyRURI
	keyNextHop
	keyContact
	keyRecordRoute
	keyCommand
	keyState
	keySetup
	keyCallerURI
	keyCallerContact
	keyCallerRoutes
	keyCallerSocket
	keyCallerCSeq
	keyCalleeURI
	keyCalleeContact
	keyCalleeRoutes
	keyCalleeSocket
	keyCalleeCSeq
	keyNode
	keyLimit
	keyVersion
)

// keyNames are the names of the keys that every frame must have.
var keyNames = map[key]string{keyKind: "k", keyBoot: "b", keySeq: "s", keyTime: "t"}

// lookup finds a key by its wire name. A switch on a converted byte slice
// allocates nothing and compares by length first.
func lookup(name []byte) key {
	switch string(name) {
	case "k":
		return keyKind
	case "b":
		return keyBoot
	case "s":
		return keySeq
	case "r":
		return keySent
	case "t":
		return keyTime
	case "i":
		return keyCallID
	case "f":
		return keyFromTag
	case "o":
		return keyToTag
	case "ft":
		return keyCallerTag
	case "d":
		return keyDialog
	case "m":
		return keyMethod
	case "c":
		return keyCSeq
	case "a":
		return keySource
	case "ra":
		return keyPeerSource
	case "l":
		return keySocket
	case "code":
		return keyCode
	case "why":
		return keyReason
	case "u":
		return keyRURI
	case "n":
		return keyNextHop
	case "ct":
		return keyContact
	case "rr":
		return keyRecordRoute
	case "id":
		return keyCommand
	case "st":
		return keyState
	case "set":
		return keySetup
	case "fu":
		return keyCallerURI
	case "fc":
		return keyCallerContact
	case "fr":
		return keyCallerRoutes
	case "fs":
		return keyCallerSocket
	case "fn":
		return keyCallerCSeq
	case "tu":
		return keyCalleeURI
	case "tc":
		return keyCalleeContact
	case "tr":
		return keyCalleeRoutes
	case "ts":
		return keyCalleeSocket
	case "tn":
		return keyCalleeCSeq
	case "node":
		return keyNode
	case "limit":
		return keyLimit
	case "ver":
		return keyVersion
	}
	return keyUnknown
}

// textField returns where the text of a key belongs.
func (d *Decoder) textField(k key, ev *call.Event) *string {
	switch k {
	case keyCallID:
		return &ev.CallID
	case keyFromTag:
		return &ev.FromTag
	case keyToTag:
		return &ev.ToTag
	case keyCallerTag:
		return &ev.CallerTag
	case keyMethod:
		return &ev.Method
	case keySource:
		return &ev.Source
	case keyPeerSource:
		return &ev.PeerSource
	case keySocket:
		return &ev.Socket
	case keyReason:
		return &ev.Reason
	case keyRURI:
		return &ev.RURI
	case keyNextHop:
		return &ev.NextHop
	case keyContact:
		return &ev.Contact
	case keyRecordRoute:
		return &ev.RecordRoute
	case keyCommand:
		return &ev.CommandID
	case keyCallerURI:
		return &ev.Caller.URI
	case keyCallerContact:
		return &ev.Caller.Contact
	case keyCallerRoutes:
		return &ev.Caller.RouteSet
	case keyCallerSocket:
		return &ev.Caller.Socket
	case keyCalleeURI:
		return &ev.Callee.URI
	case keyCalleeContact:
		return &ev.Callee.Contact
	case keyCalleeRoutes:
		return &ev.Callee.RouteSet
	case keyCalleeSocket:
		return &ev.Callee.Socket
	case keyNode:
		return &d.control.Node
	}
	return &d.control.Version
}
