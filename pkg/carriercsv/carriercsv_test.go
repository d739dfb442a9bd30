package carriercsv_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/billing/reconcile"
	"github.com/byeguard/byeguard/pkg/carriercsv"
)

// mapping is a carrier's as the tests change it.
const mapping = `
carrier: acme
columns: {id: Nr, start: Start, duration: Sec, from: From, to: To, cost: Cost}
currency: EUR
`

const head = "Nr,Start,Sec,From,To,Cost\n"

// read returns the calls of a file up to the first error.
func read(t *testing.T, yaml, file string) (list []reconcile.Record, err error) {
	t.Helper()
	m, err := carriercsv.ParseMap([]byte(yaml))
	require.NoError(t, err)
	f, err := carriercsv.Open(strings.NewReader(file), &m)
	if err != nil {
		return nil, err
	}
	for {
		var r reconcile.Record
		if err := f.Next(&r); errors.Is(err, io.EOF) {
			return list, nil
		} else if err != nil {
			return list, err
		}
		list = append(list, r)
	}
}

func at(t *testing.T, s string) int64 {
	t.Helper()
	v, err := time.Parse(time.RFC3339Nano, s)
	require.NoError(t, err)
	return v.UnixMicro()
}

// Each form that carriers really send is read rightly.
func TestForms(t *testing.T) {
	t.Parallel()
	one := "1,2026-11-23 16:00:00,62,+49301,+49302,0.0132\n"
	for name, c := range map[string]struct {
		yaml, file string
		start      string
		ms         int64
		from       string
	}{
		"plain":                       {mapping, head + one, "2026-11-23T16:00:00Z", 62_000, ""},
		"byte order mark":             {mapping, "\ufeff" + head + one, "2026-11-23T16:00:00Z", 62_000, ""},
		"no newline at the end":       {mapping, head + strings.TrimSpace(one), "2026-11-23T16:00:00Z", 62_000, ""},
		"CR LF":                       {mapping, strings.ReplaceAll(head+one, "\n", "\r\n"), "2026-11-23T16:00:00Z", 62_000, ""},
		"semicolons":                  {mapping, strings.ReplaceAll(head+one, ",", ";"), "2026-11-23T16:00:00Z", 62_000, ""},
		"tabs":                        {mapping, strings.ReplaceAll(head+one, ",", "\t"), "2026-11-23T16:00:00Z", 62_000, ""},
		"empty lines":                 {mapping, head + "\n\n" + one + "\n  \n", "2026-11-23T16:00:00Z", 62_000, ""},
		"a column more":               {mapping, "X," + head + "y," + one, "2026-11-23T16:00:00Z", 62_000, ""},
		"headings in other letters":   {mapping, strings.ToLower(head) + one, "2026-11-23T16:00:00Z", 62_000, ""},
		"blanks around":               {mapping, "Nr, Start ,Sec,From,To,Cost\n1, 2026-11-23 16:00:00 , 62 ,a,b,0\n", "2026-11-23T16:00:00Z", 62_000, ""},
		"a quoted newline":            {mapping, head + "\"1\",2026-11-23 16:00:00,62,\"+49\n301\",b,0\n", "2026-11-23T16:00:00Z", 62_000, ""},
		"lines above the headings":    {mapping + "skip: 2\n", "List of calls\nof ACME\n" + head + one, "2026-11-23T16:00:00Z", 62_000, ""},
		"a spreadsheet's apostrophe":  {mapping, head + "1,'2026-11-23 16:00:00,'62,'+49301,b,0\n", "2026-11-23T16:00:00Z", 62_000, ""},
		"no headings":                 {"columns: {start: '1', duration: '2', call_id: '3'}\nno_header: true\n", "2026-11-23 16:00:00,62,a@b\n", "2026-11-23T16:00:00Z", 62_000, ""},
		"latin-1":                     {strings.Replace(mapping, "From", "Anrufer für", 1) + "encoding: latin1\n", "Nr,Start,Sec,Anrufer f\xfcr,To,Cost\n1,2026-11-23 16:00:00,62,M\xfcller,b,0\n", "2026-11-23T16:00:00Z", 62_000, "müller"},
		"two-digit year":              {mapping + "time: DD.MM.YY hh:mm:ss\n", head + "1,23.11.26 16:00:00,62,a,b,0\n", "2026-11-23T16:00:00Z", 62_000, ""},
		"leap day":                    {mapping, head + "1,2028-02-29 23:59:59,2,a,b,0\n", "2028-02-29T23:59:59Z", 2000, ""},
		"a zone":                      {mapping + "zone: Europe/Berlin\n", head + "1,2026-07-01 02:00:00,2,a,b,0\n", "2026-07-01T00:00:00Z", 2000, ""},
		"unix milliseconds":           {mapping + "time: unix_ms\n", head + "1,1795449600123,2,a,b,0\n", "2026-11-23T16:00:00.123Z", 2000, ""},
		"RFC 3339":                    {mapping + "time: rfc3339\n", head + "1,2026-11-23T17:00:00.5+01:00,2,a,b,0\n", "2026-11-23T16:00:00.5Z", 2000, ""},
		"minutes, a comma, thousands": {mapping + "unit: minutes\ndecimal: ','\n", strings.ReplaceAll(head, ",", ";") + "1;2026-11-23 16:00:00;1.000,5;a;b;0\n", "2026-11-23T16:00:00Z", 60_030_000, ""},
		"hours, minutes, seconds":     {mapping + "unit: hh:mm:ss\n", head + "1,2026-11-23 16:00:00,72:00:01,a,b,0\n", "2026-11-23T16:00:00Z", 259_201_000, ""},
		"0 s":                         {mapping, head + "1,2026-11-23 16:00:00,0,a,b,0\n", "2026-11-23T16:00:00Z", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			list, err := read(t, c.yaml, c.file)
			require.NoError(t, err)
			require.Len(t, list, 1)
			require.Equal(t, at(t, c.start), list[0].Start)
			require.Equal(t, c.ms, list[0].DurationMS)
			require.Equal(t, list[0].Start+c.ms*1000, list[0].End)
			if c.from != "" {
				require.Equal(t, c.from, strings.ToLower(list[0].From))
			}
		})
	}
}

// An end in place of a length, over midnight and over the change of the clocks:
// 02:30 that comes twice has its other moment beside it.
func TestEndsAndClockChanges(t *testing.T) {
	t.Parallel()
	yaml := "columns: {start: Start, end: End, call_id: ID}\nzone: Europe/Berlin\n"
	list, err := read(t, yaml, "Start,End,ID\n2026-11-23 23:59:58,2026-11-24 00:00:03,a\n2026-10-25 02:30:00,2026-10-25 03:30:00,b\n")
	require.NoError(t, err)
	require.EqualValues(t, 5000, list[0].DurationMS)
	require.Zero(t, list[0].Alt)
	require.Equal(t, at(t, "2026-10-25T00:30:00Z"), list[1].Start)
	require.Equal(t, at(t, "2026-10-25T01:30:00Z"), list[1].Alt)
	_, err = read(t, yaml, "Start,End,ID\n2026-11-23 16:00:00,2026-11-23 15:59:00,a\n")
	require.ErrorIs(t, err, carriercsv.ErrLine)
	require.ErrorContains(t, err, "line 2: the call ends before it begins")
}

// What cannot be read is told with its line and what is wrong; what came before it
// was read.
func TestErrors(t *testing.T) {
	t.Parallel()
	good := "1,2026-11-23 16:00:00,62,a,b,0.01\n"
	for name, c := range map[string]struct{ yaml, file, want string }{
		"negative duration":         {mapping, head + good + "2,2026-11-23 16:00:00,-62,a,b,0\n", `line 3: "-62" is no duration in seconds: it is negative`},
		"empty duration":            {mapping, head + good + "2,2026-11-23 16:00:00,,a,b,0\n", `line 3: "" is no duration in seconds: the field is empty`},
		"words":                     {mapping, head + good + "2,2026-11-23 16:00:00,long,a,b,0\n", `line 3: "long" is no duration`},
		"not a number":              {mapping, head + good + "2,2026-11-23 16:00:00,NaN,a,b,0\n", `line 3: "NaN" is no duration`},
		"hexadecimal":               {mapping, head + good + "2,2026-11-23 16:00:00,0x1p4,a,b,0\n", `line 3: "0x1p4" is no duration`},
		"a century":                 {mapping, head + good + "2,2026-11-23 16:00:00,3153600000,a,b,0\n", `line 3: "3153600000" is no duration`},
		"no leap year":              {mapping, head + good + "2,2027-02-29 16:00:00,62,a,b,0\n", `line 3: "2027-02-29 16:00:00" is no time of the form YYYY-MM-DD hh:mm:ss`},
		"four digits for two":       {mapping + "time: DD.MM.YY hh:mm:ss\n", head + "1,23.11.2026 16:00:00,62,a,b,0\n", `line 2: "23.11.2026 16:00:00" is no time of the form DD.MM.YY`},
		"before 1970":               {mapping, head + good + "2,1970-01-01 00:00:00,62,a,b,0\n", `line 3: "1970-01-01 00:00:00" is no time of a call`},
		"unix 0":                    {mapping + "time: unix\n", head + "2,0,62,a,b,0\n", `line 2: "0" is no time of a call`},
		"fields missing":            {mapping, head + good + "2,2026-11-23 16:00:00\n", "line 3: 2 fields, but column 3 is needed"},
		"money":                     {mapping, head + good + "2,2026-11-23 16:00:00,1,a,b,1.2.3\n", `line 3: "1.2.3" is no amount of money`},
		"latin-1 taken for UTF-8":   {mapping, head + good + "2,2026-11-23 16:00:00,1,M\xfcller,b,0\n", "line 3: field 4 is no UTF-8; set encoding: latin1"},
		"a quote that does not end": {mapping, head + good + "2,2026-11-23 16:00:00,1,\"a,b,0\n3,x\n", "line 3"},
		"after a quoted newline":    {mapping, head + "1,2026-11-23 16:00:00,62,\"a\nb\",c,0\n2,x,1,a,b,0\n", `line 4: "x" is no time`},
		"after lines to skip":       {mapping + "skip: 3\n", "a\nb\nc\n" + head + good + "2,x,1,a,b,0\n", `line 6: "x" is no time`},
		"column missing":            {mapping, "Nr,Start,Sec,From,To\n", `columns.cost: there is no column "Cost"; the file has Nr, Start, Sec, From, To`},
		"all columns missing":       {mapping, "a;b\n", `there is no column "Start"`},
		"nothing":                   {mapping, "", "line 1: no headings"},
		"too few lines to skip":     {mapping + "skip: 3\n", "a\n", "line 2: the file ends within the 3 lines to skip"},
		"UTF-16":                    {mapping, "\xff\xfeN\x00r\x00", "line 1: the file is UTF-16; save it as UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			list, err := read(t, c.yaml, c.file)
			require.ErrorContains(t, err, c.want)
			if strings.HasPrefix(strings.TrimPrefix(c.file, head), good) && name != "after a quoted newline" {
				require.Len(t, list, 1, "what came before it was read")
			}
		})
	}
}

// The file itself says what time it is of.
func TestSpan(t *testing.T) {
	t.Parallel()
	m, err := carriercsv.ParseMap([]byte(mapping))
	require.NoError(t, err)
	f, err := carriercsv.Open(strings.NewReader(head+"1,2026-11-23 16:00:00,62,a,b,0\n2,2026-11-22 10:00:00,1,a,b,0\n"), &m)
	require.NoError(t, err)
	_, _, err = f.Span()
	require.ErrorIs(t, err, carriercsv.ErrEmpty)
	var r reconcile.Record
	require.NoError(t, f.Next(&r))
	require.NoError(t, f.Next(&r))
	require.ErrorIs(t, f.Next(&r), io.EOF)
	from, until, err := f.Span()
	require.NoError(t, err)
	require.Equal(t, at(t, "2026-11-22T10:00:00Z"), from.UnixMicro())
	require.Equal(t, at(t, "2026-11-23T16:00:01Z"), until.UnixMicro())
}

// A mapping that makes no sense says what to write.
func TestMappings(t *testing.T) {
	t.Parallel()
	for yaml, want := range map[string]string{
		"columns: {start: a, duration: b}":                                     "columns.call_id, or from and to, are needed",
		"columns: {start: a, call_id: b}":                                      "columns.duration or columns.end, are needed",
		"columns: {start: a, duration: b, call_id: c}\nunit: fortnights":       `unit "fortnights"; use seconds`,
		"columns: {start: a, duration: b, call_id: c}\nzone: Mars/Olympus":     `zone "Mars/Olympus"; use a name of the tz database`,
		"columns: {start: a, duration: b, call_id: c}\nencoding: ebcdic":       `encoding "ebcdic"; use utf-8 or latin1`,
		"columns: {start: a, duration: b, call_id: c}\ntime: sometimes":        `time "sometimes"; write it of YYYY`,
		"columns: {start: a, duration: b, call_id: c}\nseparator: ';;'":        `separator ";;"; use one character`,
		"columns: {start: a, duration: b, call_id: c, cost: d}":                "currency is needed with columns.cost",
		"columns: {start: a, duration: b, call_id: c}\ncollumns: {}":           "collumns",
		"columns: {start: a, duration: b, call_id: c}\nskip: -1":               "skip -1; use 0 to 1000 lines",
		"columns: {start: a, duration: b, call_id: c}\nbegins: now":            `begins "now"; use answered or confirmed`,
		"columns: {start: a, duration: b, call_id: c}\nseparator: '\\n'":       "separator",
		"columns: {start: a, duration: b, call_id: c}\nseparator: \"\\n\"":     "separator",
		"columns: {start: a, duration: b, call_id: c}\nseparator: '\"'":        "separator",
		"columns: {start: a, duration: b, call_id: c}\ndecimal: ';'":           `decimal ";"`,
		"columns: {start: a, duration: b, call_id: c}\nseparator: \"\\xff\"\n": "separator",
	} {
		_, err := carriercsv.ParseMap([]byte(yaml))
		require.ErrorIs(t, err, carriercsv.ErrMap, yaml)
		require.ErrorContains(t, err, want, yaml)
	}
}

// FuzzFile: no file makes the reader panic or go on for ever, and a call that it
// hands on has a start, an end and a length that belong together.
func FuzzFile(f *testing.F) {
	for i, file := range []string{
		head + "1,2026-11-23 16:00:00,62,a,b,0.01\n", "\ufeff" + strings.ReplaceAll(head, ",", ";"), head + "\"1\n\",x,-1,,,\n",
		"\xff\xfe", head + "1,2026-10-25 02:30:00,0:01:30,M\xfcller,b,1.2\n", head + "1,99999999999999999999,1e300,a,b,-0.0000005\n",
	} {
		f.Add([]byte(file), uint8(i*37))
	}
	f.Fuzz(func(t *testing.T, file []byte, how uint8) {
		yaml := mapping
		if how&1 != 0 {
			yaml += "encoding: latin1\n"
		}
		if how&2 != 0 {
			yaml += "decimal: ','\n"
		}
		yaml += "unit: '" + []string{"seconds", "milliseconds", "minutes", "hh:mm:ss"}[how>>2&3] + "'\n"
		yaml += "time: '" + []string{"YYYY-MM-DD hh:mm:ss", "unix", "unix_ms", "rfc3339"}[how>>4&3] + "'\n"
		yaml += "zone: '" + []string{"UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns"}[how>>6&3] + "'\n"
		list, err := read(t, yaml, string(file))
		if err != nil {
			require.True(t, errors.Is(err, carriercsv.ErrLine) || errors.Is(err, carriercsv.ErrMap), "%v", err)
		}
		for i := range list {
			r := &list[i]
			require.Positive(t, r.Start)
			require.GreaterOrEqual(t, r.DurationMS, int64(0))
			require.Equal(t, r.Start+r.DurationMS*1000, r.End)
			require.True(t, r.Alt == 0 || r.Alt > r.Start)
			require.NotEmpty(t, r.ID)
			require.LessOrEqual(t, len(list), len(file))
		}
	})
}
