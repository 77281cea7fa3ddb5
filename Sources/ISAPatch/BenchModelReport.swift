import Reporting

/// What `bench model` measured.
public struct BenchModelReport: Sendable {
  public static let schema = BenchReport.schema

  /// Seconds of a step, medians.
  public struct Split: Sendable {
    public var model: String
    public var sites: Int
    public var step: Double
    public var attention: Double
    /// Operator types outside attention, the costliest first.
    public var rest: [(type: String, seconds: Double)]

    public init(
      model: String, sites: Int, step: Double, attention: Double, rest: [(type: String, seconds: Double)]
    ) {
      self.model = model
      self.sites = sites
      self.step = step
      self.attention = attention
      self.rest = rest
    }

    /// All that is not attention, what lies between the nodes included.
    public var restSeconds: Double { max(0, step - attention) }
    public var attentionShare: Double { step > 0 ? attention / step : 0 }
  }

  public var machine: String
  /// Frames, width and height, in words.
  public var size: String
  public var threads: Int
  /// The model, and the patched one where it was given.
  public var models: [Split]

  public init(machine: String, size: String, threads: Int, models: [Split]) {
    self.machine = machine
    self.size = size
    self.threads = threads
    self.models = models
  }

  private func gain(_ part: (Split) -> Double) -> Double? {
    guard models.count == 2, part(models[1]) > 0 else { return nil }
    return part(models[0]) / part(models[1])
  }

  public var stepSpeedup: Double? { gain(\.step) }
  public var attentionSpeedup: Double? { gain(\.attention) }
  /// How much faster a step could be if attention took no time.
  public var limit: Double? { models.first.flatMap { $0.restSeconds > 0 ? $0.step / $0.restSeconds : nil } }

  public var json: String {
    JSONOutput.object([
      ("schema", .string(Self.schema)), ("machine", .string(machine)), ("size", .string(size)),
      ("rows", .array([row("attention", \.attention), row("rest", \.restSeconds), row("step", \.step)])),
      (
        "models",
        .array(
          models.map { split in
            .object([
              ("model", .string(split.model)), ("sites", .integer(split.sites)),
              ("step_ms", .number(split.step * 1000)),
              ("attention_ms", .number(split.attention * 1000)), ("rest_ms", .number(split.restSeconds * 1000)),
              ("attention_share", .number(split.attentionShare)),
              (
                "rest",
                .array(
                  split.rest.map { .object([("operator", .string($0.type)), ("ms", .number($0.seconds * 1000))]) })
              ),
            ])
          })
      ),
      ("step_speedup", .init(stepSpeedup)), ("attention_speedup", .init(attentionSpeedup)), ("limit", .init(limit)),
    ]).document
  }

  /// The patched model with the original as its peer; the one model where it is alone.
  private func row(_ name: String, _ part: (Split) -> Double) -> JSONOutput {
    let (own, peer) = (models.last, models.count > 1 ? models.first : nil)
    return .object([
      ("case", .string(name)), ("tokens", nil), ("heads", nil), ("head_size", nil), ("threads", .integer(threads)),
      ("compute", nil), ("executed_density", nil), ("median_ms", .init(own.map { part($0) * 1000 })),
      ("peer", .init(peer.map(\.model))), ("peer_median_ms", .init(peer.map { part($0) * 1000 })),
      ("speedup", .init(gain(part))), ("fraction_of_peak", nil),
    ])
  }

  public func table(for terminal: Terminal) -> String {
    var table = TextTable([
      .text("model"), .number("sites"), .number("step"), .number("attention"), .number("share"), .number("rest"),
      .text("of the rest", leastWidth: 20),
    ])
    for split in models {
      let parts = split.rest.prefix(4).map { "\($0.type) \(NumberFormat.duration($0.seconds))" }
      table.add([
        .init(split.model), .init("\(split.sites)"), .init(NumberFormat.duration(split.step)),
        .init(NumberFormat.duration(split.attention)), .init(NumberFormat.percent(split.attentionShare)),
        .init(NumberFormat.duration(split.restSeconds)), .init(parts.joined(separator: ", ")),
      ])
    }
    var text = table.rendered(for: terminal) + "\n\(size)."
    if let stepSpeedup {
      text +=
        " A step is \(NumberFormat.factor(stepSpeedup)) as fast, its attention \(NumberFormat.factor(attentionSpeedup))."
    }
    return text + " Without any attention, a step would be \(NumberFormat.factor(limit)) as fast.\n"
  }
}
