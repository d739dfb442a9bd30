package web

// RoutePaths are the methods and paths of the API.
func (s *Server) RoutePaths() (list [][2]string) {
	for _, rt := range s.routes() {
		list = append(list, [2]string{rt.method, rt.path})
	}
	return list
}
