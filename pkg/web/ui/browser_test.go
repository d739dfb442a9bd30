package ui_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// browser is one headless Chromium; its windows share nothing but what a test
// lets them.
type browser struct{ ctx context.Context }

func newBrowser(t *testing.T) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	require.NoError(t, err, "install Debian's package chromium, as `make deps` does")
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.NoSandbox, // Chromium refuses to sandbox for root
		chromedp.DisableGPU,
		chromedp.Flag("lang", "en-GB"),
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("force-color-profile", "srgb"),
		chromedp.Env("TZ=Europe/Berlin"),
		chromedp.WSURLReadTimeout(60*time.Second))
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	require.NoError(t, chromedp.Do(ctx), "start Chromium")
	return &browser{ctx}
}

// window is one tab with cookies and storage of its own. Whatever its page
// complains of is kept.
type window struct {
	t    *testing.T
	ctx  context.Context
	base string

	mu         sync.Mutex
	complaints []string
}

func (b *browser) window(t *testing.T, base string) *window {
	t.Helper()
	w := &window{t: t, base: base}
	var cancel context.CancelFunc
	w.ctx, cancel = chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(w.listen))
	t.Cleanup(cancel)
	require.NoError(t, chromedp.Do(w.ctx), "open a window")
	call(w, log.Enable, cdp.Empty{})
	call(w, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "Europe/Berlin"})
	w.size(1280, 860)
	return w
}

// call runs one command of Chromium's protocol.
func call[P, R any](w *window, command cdp.Command[P, R], params P) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, limit)
	defer cancel()
	_, err := chromedp.Call(ctx, command, params)
	require.NoError(w.t, err)
}

// limit bounds each thing that a window is asked to do.
const limit = 30 * time.Second

func (w *window) listen(event any) {
	text := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		text = "exception: " + (&chromedp.ExceptionError{ExceptionDetails: e.ExceptionDetails}).Error()
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "warning" || e.Type == "assert" {
			args, _ := json.Marshal(e.Args)
			text = fmt.Sprintf("console.%s: %s", e.Type, args)
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == "error" || e.Entry.Level == "warning" {
			text = fmt.Sprintf("%s %s: %s %s", e.Entry.Source, e.Entry.Level, e.Entry.Text, e.Entry.URL)
		}
	case *page.EventJavascriptDialogOpening:
		text = "dialog: " + e.Message
	}
	if text != "" {
		w.mu.Lock()
		w.complaints = append(w.complaints, text)
		w.mu.Unlock()
	}
}

// quiet asserts that the page complained of nothing: no exception, nothing
// on the console, no violation of the content policy. Complaints that hold one of
// expected are let pass, and forgotten.
func (w *window) quiet(expected ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.complaints {
		known := false
		for _, e := range expected {
			known = known || strings.Contains(c, e)
		}
		require.True(w.t, known, "the page complains: %s", c)
	}
	w.complaints = nil
}

func (w *window) run(steps ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, limit)
	defer cancel()
	require.NoError(w.t, chromedp.Do(ctx, steps...))
}

// open loads the page at a view from nothing.
func (w *window) open(view string) {
	w.t.Helper()
	w.run(chromedp.Navigate("about:blank"), chromedp.Navigate(w.base+"/"+view))
}

// eval runs a script and reads its value, or what its promise comes to.
func eval[T any](w *window, script string) T {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, limit)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	require.NoError(w.t, err, "run %.200s", script)
	return v
}

// until waits until a script's value is true; it is asked at each frame.
func (w *window) until(what, script string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, limit)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool]("Boolean("+script+")", chromedp.WithPollingTimeout(0))); err != nil {
		require.NoError(w.t, err, "wait for: %s\nthe window shows:\n%s", what, eval[string](w, "document.body.innerText"))
	}
}

// sees waits until the view holds a text.
func (w *window) sees(text string) {
	w.t.Helper()
	w.until("the text "+text, "document.body.innerText.includes("+js(text)+")")
}

// shows waits until an incident with that title is shown.
func (w *window) shows(incident string) {
	w.t.Helper()
	w.until("the incident "+incident, "[...document.querySelectorAll('.incident-title')].some(e => e.textContent.toLowerCase().startsWith("+js(strings.ToLower(incident))+"))")
}

func (w *window) click(selector string) {
	w.t.Helper()
	w.until(selector, "document.querySelector("+js(selector)+") !== null")
	w.run(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

func (w *window) write(selector, text string) {
	w.t.Helper()
	w.until(selector, "document.querySelector("+js(selector)+") !== null")
	w.run(void("document.querySelector("+js(selector)+").value = ''"), chromedp.SendKeys(chromedp.CSS(selector), text))
}

func (w *window) size(width, height int64) {
	w.t.Helper()
	call(w, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 600})
}

// scheme is what the system prefers: light or dark.
func (w *window) scheme(name string) {
	w.t.Helper()
	call(w, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
}

// shoot writes a picture of the whole page.
func (w *window) shoot(name string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, limit)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	require.NoError(w.t, err)
	require.NoError(w.t, os.WriteFile(filepath.Join(artefacts(w.t), name+".png"), png, 0o644))
}

// artefacts is where pictures go: BYEGUARD_ARTEFACTS, or the test's own directory.
func artefacts(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("BYEGUARD_ARTEFACTS")
	if dir == "" {
		dir = t.TempDir()
	}
	require.NoError(t, os.MkdirAll(dir, 0o755))
	return dir
}

func js(text string) string {
	b, _ := json.Marshal(text) // a string always can
	return string(b)
}

// void runs a script whose value does not matter.
func void(script string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := chromedp.Evaluate[bool](script+"; true")(ctx, target)
		return err
	})
}
