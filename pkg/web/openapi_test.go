package web_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/web"
)

func openAPI(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(web.OpenAPI())
	require.NoError(t, err)
	require.NoError(t, doc.Validate(context.Background()))
	return doc
}

// TestOpenAPINamesEveryRoute: what the server has is in the file, and the other way
// round.
func TestOpenAPINamesEveryRoute(t *testing.T) {
	t.Parallel()
	doc := openAPI(t)
	s := newServer(t, options(&memory{}))
	described := map[string]bool{}
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			described[method+" "+path] = true
		}
	}
	for _, r := range s.RoutePaths() {
		require.True(t, described[r[0]+" "+r[1]], "openapi.yaml has no %s %s", r[0], r[1])
		delete(described, r[0]+" "+r[1])
	}
	require.Empty(t, described, "the server has no such routes")
	got := do(s, http.MethodGet, "/api/v1/openapi.yaml", "", nil)
	require.Equal(t, string(web.OpenAPI()), got.Body.String())
}

// TestOpenAPIParameters: each parameter in the file is taken, with a value that
// its schema allows, and no other.
func TestOpenAPIParameters(t *testing.T) {
	t.Parallel()
	s := newServer(t, options(&memory{}))
	for path, item := range openAPI(t).Paths.Map() {
		op := item.Get
		if op == nil || strings.Contains(path, "{") || path == "/feed" || path == "/session" || path == "/openapi.yaml" || path == "/calls" {
			continue
		}
		query := "?"
		for _, p := range op.Parameters {
			value := "abc"
			switch schema := p.Value.Schema.Value; {
			case len(schema.Enum) > 0:
				value, _ = schema.Enum[0].(string)
			case p.Value.Name == "limit":
				value = "500"
			case p.Value.Name == "after":
				value = "1732400000000000.17"
			case p.Value.Name == "since":
				value = "2026-11-20T00:00:00Z"
			case p.Value.Name == "until":
				value = "2026-11-21T00:00:00%2B01:00"
			case p.Value.Name == "repaired":
				value = "true"
			case p.Value.Name == "zone":
				value = "Europe/Berlin"
			}
			query += p.Value.Name + "=" + value + "&"
		}
		res := do(s, http.MethodGet, "/api/v1"+path+strings.TrimRight(query, "&?"), "", nil)
		require.Equal(t, http.StatusOK, res.Code, "%s%s: %s", path, query, res.Body)
		res = do(s, http.MethodGet, "/api/v1"+path+query+"nonsense=1", "", nil)
		require.Equal(t, http.StatusBadRequest, res.Code, "%s takes a parameter that is not in the file", path)
	}
}
