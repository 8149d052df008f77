package link

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// PostMax bounds the payload of a post and of its reply: a forwarded request of
// the tables API, or its answer, with what goes before it.
const PostMax = 17 << 20

const (
	pathStream = "/meridian/v1/stream/"
	pathPost   = "/meridian/v1/post/"

	// handshakesMax bounds the connections that have not yet shown who they are.
	handshakesMax    = 64
	timeoutHandshake = 10 * time.Second
	// A connection that is silent for pingAfter must answer a ping within
	// pingTimeout, or it ends: a cut link is noticed by both sides.
	pingAfter   = 2 * time.Second
	pingTimeout = 3 * time.Second
)

// Handler answers a post of a region. Its error's text travels to the caller.
type Handler func(ctx context.Context, from string, payload []byte) ([]byte, error)

// StreamHandler serves a stream of a region until it returns; ctx ends with the
// stream.
type StreamHandler func(ctx context.Context, from string, s *Stream) error

// ServerConfig configures a Server.
type ServerConfig struct {
	// Identity is who this end is.
	Identity Identity
	// Listen is the bare listener; Run closes it.
	Listen net.Listener
	// TLS has the certificate (GetCertificate for renewal without a restart) and
	// the world's authority: ClientCAs, or a VerifyConnection that checks the
	// chain. It may choose by GetConfigForClient.
	TLS *tls.Config
	// Known says whether a region or witness of this name is part of the world
	// now. Default: everyone with a certificate of the world is.
	Known func(region string) bool
	// Streams and Posts are the services by name; they may not change later.
	Streams map[string]StreamHandler
	Posts   map[string]Handler
	// Public are posts that also a node may make that is not Known.
	Public map[string]Handler
	Events Events
}

// Server is the end of links that accepts.
type Server struct {
	config   ServerConfig
	refusals states
	running  sync.WaitGroup

	mu    sync.Mutex // guards ended
	ended bool       // running is waited for: nothing more may join it
}

// NewServer answers a server; it accepts nothing before Run.
func NewServer(c ServerConfig) *Server { return &Server{config: c} }

// Run serves until ctx ends, then closes every connection and waits for the
// handlers. It answers the listener's error if that comes first.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer s.wait()
	defer cancel()
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	web := &http.Server{
		Handler:           http.HandlerFunc(s.serve),
		Protocols:         protocols,
		ReadHeaderTimeout: timeoutHandshake,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          log.New(failures(s.config.Events), "", 0),
		HTTP2: &http.HTTP2Config{
			MaxReceiveBufferPerStream:     1 << 20,
			MaxReceiveBufferPerConnection: 4 << 20,
			SendPingTimeout:               pingAfter,
			PingTimeout:                   pingTimeout,
		},
	}
	proven := newProven(s.config.Listen.Addr())
	stop := context.AfterFunc(ctx, func() {
		s.config.Listen.Close()
		web.Close()
		proven.Close()
	})
	defer stop()
	s.running.Go(func() { web.Serve(proven) })
	err := s.accept(ctx, proven)
	if ctx.Err() != nil {
		return nil
	}
	cancel()
	web.Close()
	proven.Close()
	return err
}

// begin counts a handler, unless all are waited for: connections that are being
// closed may still start one.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.running.Add(1)
	}
	return !s.ended
}

func (s *Server) wait() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.running.Wait()
}

// accept shakes hands with whoever connects and hands the proven ones on.
func (s *Server) accept(ctx context.Context, to *proven) error {
	slots := make(chan struct{}, handshakesMax)
	for {
		raw, err := s.config.Listen.Accept()
		if err != nil {
			return fmt.Errorf("accept links: %w", err)
		}
		select {
		case slots <- struct{}{}:
		default: // strangers hold all slots: better this one is told to come back
			raw.Close()
			s.count()
			continue
		}
		s.running.Go(func() {
			defer func() { <-slots }()
			s.prove(ctx, raw, to)
		})
	}
}

func (s *Server) prove(ctx context.Context, raw net.Conn, to *proven) {
	from := host(raw.RemoteAddr())
	told := false
	config := serverTLS(s.config.TLS, s.config.Identity.World, func(who Identity, err error) {
		told = true
		s.refuse(who, from, err)
	})
	ctx, cancel := context.WithTimeout(ctx, timeoutHandshake)
	defer cancel()
	conn := tls.Server(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		if !told && !isGone(err) && ctx.Err() == nil {
			s.refuse(Identity{}, from, explain(err))
		}
		raw.Close()
		return
	}
	if conn.ConnectionState().NegotiatedProtocol != "h2" {
		s.refuse(Identity{}, from, errors.New("it does not speak HTTP/2"))
		raw.Close()
		return
	}
	to.add(conn)
}

// isGone reports whether a handshake failed because the other side went away,
// which port scans and stopped peers do and nobody needs to know.
func isGone(err error) bool {
	var network *net.OpError
	return errors.Is(err, io.EOF) || errors.As(err, &network) && network.Op == "read"
}

// explain says what a TLS alert of the other side means: that it refuses us is
// easily taken for the opposite.
func explain(err error) error {
	var alert *net.OpError
	if errors.As(err, &alert) && alert.Op == opAlert {
		return fmt.Errorf("it does not accept this node's certificate: the two have certificates of different worlds, or one has expired: %w", err)
	}
	return err
}

func (s *Server) count() {
	if s.config.Events.RefusedCount != nil {
		s.config.Events.RefusedCount()
	}
}

func (s *Server) refuse(who Identity, from string, err error) {
	s.count()
	if s.refusals.wrong(who.String()+" "+from, err.Error()) && s.config.Events.Refused != nil {
		s.config.Events.Refused(who, from, err)
	}
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if !s.begin() {
		http.Error(w, "the link is ending", http.StatusServiceUnavailable)
		return
	}
	defer s.running.Done()
	who, err := CertificateIdentity(r.TLS.PeerCertificates[0])
	if err != nil { // prove has checked it
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	from := host(stringAddr(r.RemoteAddr))
	if name, ok := strings.CutPrefix(r.URL.Path, pathPost); ok && s.config.Public[name] != nil {
		post(w, r, who.Region, s.config.Public[name])
		return
	}
	if s.config.Known != nil && !s.config.Known(who.Region) {
		err := fmt.Errorf("%s does not know a region or witness %q", s.config.Identity, who.Region)
		s.refuse(who, from, err)
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	s.refusals.well(who.String() + " " + from)
	if name, ok := strings.CutPrefix(r.URL.Path, pathStream); ok && s.config.Streams[name] != nil {
		s.stream(w, r, who.Region, s.config.Streams[name])
		return
	}
	if name, ok := strings.CutPrefix(r.URL.Path, pathPost); ok && s.config.Posts[name] != nil {
		post(w, r, who.Region, s.config.Posts[name])
		return
	}
	http.Error(w, fmt.Sprintf("%s has no service %s", s.config.Identity, r.URL.Path), http.StatusNotFound)
}

func (s *Server) stream(w http.ResponseWriter, r *http.Request, from string, handle StreamHandler) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	control := http.NewResponseController(w)
	w.WriteHeader(http.StatusOK)
	if control.Flush() != nil {
		return
	}
	stream := &Stream{reader: r.Body, writer: w, flush: control.Flush, close: func() {
		cancel()
		control.SetReadDeadline(time.Unix(1, 0))
		control.SetWriteDeadline(time.Unix(1, 0))
	}}
	if handle(ctx, from, stream) != nil {
		panic(http.ErrAbortHandler) // resets the stream, so that the peer sees no orderly end
	}
}

func post(w http.ResponseWriter, r *http.Request, from string, handle Handler) {
	payload, err := io.ReadAll(http.MaxBytesReader(w, r.Body, PostMax))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	reply, err := handle(r.Context(), from, payload)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Write(reply)
}

// failures is the writer behind http.Server's log. Panics of handlers are passed
// on; the rest is about connections that broke, which the ends notice.
type failures Events

func (f failures) Write(line []byte) (int, error) {
	if f.Failed != nil && bytes.Contains(line, []byte("panic serving")) {
		f.Failed(strings.TrimSpace(string(line)))
	}
	return len(line), nil
}

func host(a net.Addr) string {
	h, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	return h
}

type stringAddr string

func (a stringAddr) Network() string { return "tcp" }
func (a stringAddr) String() string  { return string(a) }
