package region

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are the region's own, in a registry of its own: several regions live
// in one process. The parts below report through callbacks and know none of it.
type metrics struct {
	registry *prometheus.Registry

	requests       *prometheus.CounterVec   // service, code
	requestErrors  *prometheus.CounterVec   // service
	requestSeconds *prometheus.HistogramVec // service
	coldStarts     *prometheus.HistogramVec // service
	passedOn       *prometheus.CounterVec   // service, to
	probed         *prometheus.CounterVec   // service, how
	malformed      prometheus.Counter
	panics         prometheus.Counter

	tableCalls   *prometheus.CounterVec   // operation, code
	tableSeconds *prometheus.HistogramVec // operation

	replicationSeconds *prometheus.HistogramVec // peer
	replicationLatency *prometheus.HistogramVec // as CloudWatch has it: table, source and receiving region
	applied            *prometheus.CounterVec   // peer
	conflicts          *prometheus.CounterVec   // table
	degraded           *prometheus.CounterVec   // table
	receipts           *prometheus.GaugeVec     // table
	receiptsDropped    *prometheus.CounterVec   // table
	expired            *prometheus.CounterVec   // table
	verified           *prometheus.CounterVec   // table, peer
	different          *prometheus.CounterVec   // table, peer

	answers     *prometheus.CounterVec // region
	dnsReplies  *prometheus.CounterVec // rcode
	verdicts    *prometheus.GaugeVec   // service, region
	transitions *prometheus.CounterVec // service, region, to
	probes      *prometheus.CounterVec // service, region, result

	linkRefused prometheus.Counter
}

// Buckets: requests from a tenth of a millisecond to ten seconds; replication
// from a millisecond to a minute.
var (
	requestBuckets     = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	replicationBuckets = []float64{.001, .0025, .005, .01, .02, .03, .05, .075, .1, .15, .2, .3, .5, 1, 2.5, 5, 15, 60}
)

func newMetrics(region string) *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	wrapped := prometheus.WrapRegistererWith(prometheus.Labels{"region": region}, m.registry)
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		wrapped.MustRegister(c)
		return c
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
		wrapped.MustRegister(h)
		return h
	}
	m.requests = counter("requests_total", "HTTP requests that the gateway answered, without health checks.", "service", "code")
	m.requestErrors = counter("request_errors_total", "HTTP requests answered with a 5xx status.", "service")
	m.requestSeconds = histogram("request_seconds", "Time from a request's head to the end of its answer.", requestBuckets, "service")
	m.coldStarts = histogram("function_cold_start_seconds", "Time from starting an instance to its asking for work.", requestBuckets, "service")
	m.passedOn = counter("requests_passed_on_total", "HTTP requests that another region answered because this one could not.", "service", "to")
	m.probed = counter("probes_answered_total", "Health probes answered: run, shared, asleep, or by the region itself.", "service", "how")
	m.malformed = counter("malformed_requests_total", "Connections whose bytes were no HTTP request.").WithLabelValues()
	m.panics = counter("panics_total", "Handlers that panicked; each one is a defect.").WithLabelValues()
	m.tableCalls = counter("table_calls_total", "Calls of the tables API.", "operation", "code")
	m.tableSeconds = histogram("table_call_seconds", "Time of a call of the tables API.", requestBuckets, "operation")
	m.replicationSeconds = histogram("replication_latency_seconds", "Time from a write in the peer to its being durable here, on the two regions' wall clocks.", replicationBuckets, "peer")
	m.replicationLatency = histogram("ReplicationLatency", "Milliseconds from a write of a table in the source to its being durable in the receiving region: CloudWatch's metric of this name.", milliseconds(replicationBuckets), "TableName", "SourceRegion", "ReceivingRegion")
	m.applied = counter("replication_records_total", "Records received from a peer, by what became of them.", "peer", "result")
	m.conflicts = counter("conflicts_total", "Writes that lost to one that had not seen them. A receipt keeps each.", "table")
	m.degraded = counter("writes_with_one_copy_total", "Writes acknowledged with one copy to tables that ask for two.", "table")
	m.receiptsDropped = counter("conflict_receipts_dropped_total", "Receipts of conflicts that were let go for their number or age.", "table")
	m.receipts = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "conflict_receipts", Help: "Receipts of conflicts that are kept."}, []string{"table"})
	wrapped.MustRegister(m.receipts)
	m.expired = counter("expired_records_total", "Records that were buried because their time was up.", "table")
	m.verified = counter("verified_parts_total", "Parts of a table that were compared with a peer.", "table", "peer")
	m.different = counter("verified_different_total", "Items that were found to differ from a peer.", "table", "peer")
	m.answers = counter("dns_answers_total", "DNS answers that led to a region.", "service", "answer")
	m.dnsReplies = counter("dns_replies_total", "DNS replies by code.", "rcode")
	m.transitions = counter("verdict_changes_total", "Changes of a verdict, as this region judges.", "service", "endpoint", "to")
	m.probes = counter("probes_total", "Health probes that this region made.", "service", "endpoint", "result")
	m.linkRefused = counter("link_refused_total", "Connections of peers that were refused: certificate, world, region.").WithLabelValues()
	m.verdicts = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "verdict", Help: "1 healthy, 0 unhealthy, as this region judges."}, []string{"service", "endpoint"})
	wrapped.MustRegister(m.verdicts)
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// gauge registers a value that is read when asked for.
func (m *metrics) gauge(region, name, help string, labels prometheus.Labels, read func() float64) {
	wrapped := prometheus.WrapRegistererWith(prometheus.Labels{"region": region}, m.registry)
	wrapped.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, read))
}

// gaugeData registers what the store and its replication say.
func (r *Region) gaugeData(d *data, a *applied) {
	gauge := func(name, help string, labels prometheus.Labels, read func() float64) {
		r.metrics.gauge(r.cfg.Name, name, help, labels, read)
	}
	gauge("change_log_entries", "Entries of the change log that are kept for peers.", nil, func() float64 { return float64(d.store.Stats().LogEntries) })
	gauge("change_log_used", "Part of the limits on the change log that is used: at 1 it is let go.", nil, func() float64 {
		b, _ := d.store.Backlog() // storage that failed is told by storage_failed
		return b.Used
	})
	gauge("relay_entries", "References that are kept to give others what a region left behind.", nil, func() float64 { return float64(d.store.Stats().Relay) })
	gauge("expiry_behind_seconds", "How long the time of the oldest record that is not buried yet has been up.", nil, func() float64 {
		return time.Duration(d.expiryBehind.Load()).Seconds()
	})
	prometheus.WrapRegistererWith(prometheus.Labels{"region": r.cfg.Name}, r.metrics.registry).MustRegister(newImageMetrics(d))
	gauge("storage_failed", "1 while storage refuses writes.", nil, func() float64 {
		if d.store.Stats().Frozen {
			return 1
		}
		return 0
	})
	gauge("certificate_days", "Days until the certificate of this node ends.", nil, func() float64 { return r.cfg.Identity.Days(time.Now()) })
	for _, peer := range r.observers(a) {
		if _, is := a.world.Region(peer); !is {
			continue
		}
		labels := prometheus.Labels{"peer": peer}
		gauge("replication_behind_seconds", "How far this region is behind a peer.", labels, func() float64 { return d.replica.Lag()[peer].Behind.Seconds() })
		gauge("replication_backlog_entries", "Entries of this region's log that a peer has not acknowledged.", labels, func() float64 { return float64(d.replica.Lag()[peer].Unshipped) })
	}
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// milliseconds are buckets in seconds as CloudWatch counts time.
func milliseconds(seconds []float64) []float64 {
	out := make([]float64, len(seconds))
	for i, s := range seconds {
		out[i] = s * 1000
	}
	return out
}

// observe is a nil-safe shorthand for durations.
func observe(h *prometheus.HistogramVec, took time.Duration, labels ...string) {
	h.WithLabelValues(labels...).Observe(took.Seconds())
}

// imageMetrics are the gauges of the image logs: tables come and go.
type imageMetrics struct {
	data          *data
	bytes, images *prometheus.Desc
	since         *prometheus.Desc
}

func newImageMetrics(d *data) *imageMetrics {
	gauge := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, []string{"table"}, nil)
	}
	return &imageMetrics{
		data:   d,
		bytes:  gauge("image_log_bytes", "Size of the images of a table that are kept."),
		images: gauge("image_log_images", "Images of a table that are kept."),
		since:  gauge("image_log_since_seconds", "Since when every change of a table is kept, in Unix seconds."),
	}
}

// Describe implements prometheus.Collector.
func (m *imageMetrics) Describe(to chan<- *prometheus.Desc) {
	to <- m.bytes
	to <- m.images
	to <- m.since
}

// Collect implements prometheus.Collector.
func (m *imageMetrics) Collect(to chan<- prometheus.Metric) {
	for _, log := range m.data.imageLogs() {
		gauge := func(d *prometheus.Desc, v float64) {
			to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, log.Table)
		}
		gauge(m.bytes, float64(log.Bytes))
		gauge(m.images, float64(log.Images))
		gauge(m.since, float64(log.Since.Unix()))
	}
}
