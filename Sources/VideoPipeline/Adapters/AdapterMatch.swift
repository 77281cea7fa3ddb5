import OnnxRuntime
import SparseAttention

/// An adapter with a model that it fits: what each axis is in that model.
public struct AdapterMatch: Equatable, Sendable {
  public let adapter: Adapter
  /// Type of each input that the adapter names, as the model has it.
  public let types: [String: ElementType]
  /// Length of each axis as the model's graph states it.
  public let axes: [String: ModelInterface.Dim]
  /// The inputs that the model has, of those that the adapter names.
  public let inputs: [Adapter.Input]
  /// The output that the sampler takes, by the model's name.
  public let output: String
  /// Why this adapter was chosen, in a few words: what fitted.
  public let reason: String

  /// A segment in the terms of the model's graph: lengths as text over its symbolic dimensions, with `//` for division.
  public struct GraphSegment: Equatable, Sendable {
    public var kind: SegmentKind
    public var length: String
    public var grid: [String]?
  }

  /// The segments in the graph's terms; nil where the graph does not state an axis that a length uses. A grid of such axes
  /// is left out.
  public var graphSegments: [GraphSegment]? {
    var result: [GraphSegment] = []
    func isStated(_ expression: AxisExpression) -> Bool {
      expression.names.allSatisfy { axes[$0] != nil && axes[$0] != .unknown }
    }
    for segment in adapter.segments {
      guard isStated(segment.length) else { return nil }
      let grid = segment.grid.flatMap { $0.allSatisfy(isStated) ? $0.map(text) : nil }
      result.append(GraphSegment(kind: segment.kind, length: text(segment.length), grid: grid))
    }
    return result
  }

  private func text(_ expression: AxisExpression) -> String {
    expression.text(division: "//") { name in
      switch axes[name] {
      case .fixed(let length): "\(length)"
      case .symbolic(let symbol): symbol.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" } ? symbol : "(\(symbol))"
      case .unknown, nil: name
      }
    }
  }

  /// Lengths of the axes for a clip. A size that the model fixes has to be that one.
  public func dimensions(frames: Int, width: Int, height: Int) throws(AdapterError) -> [String: Int] {
    let lengths = try adapter.dimensions(frames: frames, width: width, height: height)
    for axis in adapter.axes {
      if case .fixed(let fixed)? = axes[axis.name], let length = lengths[axis.name], fixed != length {
        if axis.meaning == .batch, case .branches(let branches, _) = adapter.guidance, fixed == branches.count { continue }
        throw .doesNotFit(
          adapter: adapter.name, reason: "the model fixes the \(axis.meaning.rawValue) to \(fixed), not \(length)")
      }
    }
    return lengths
  }

  /// Channels of the sample: of the output, which the model fixes.
  public var channels: Int? {
    guard let port = adapter.outputs.first, let layout = VideoLayout(port, adapter) else { return nil }
    for (slot, dim) in zip(layout.slots, port.dims) where slot == .channels {
      switch dim {
      case .fixed(let length): return layout.channels(length)
      case .named(let name): if case .fixed(let length)? = axes[name] { return layout.channels(length) }
      }
    }
    return nil
  }

  /// Rows of the batch that the model fixes; nil: any.
  var fixedBatch: Int? {
    guard let axis = adapter.axis(.batch), case .fixed(let rows)? = axes[axis.name] else { return nil }
    return rows
  }
}

extension Adapter {
  /// Names that patching adds start so; they are no part of what a model is recognised by.
  static let ownPrefix = "isa."

  /// - Returns: the match, or throws `.doesNotFit` with the first difference.
  public func match(_ model: ModelInterface) throws(AdapterError) -> AdapterMatch {
    func fail(_ reason: String) -> AdapterError { .doesNotFit(adapter: name, reason: reason) }
    var types: [String: ElementType] = [:]
    var axes: [String: ModelInterface.Dim] = [:]
    let present = inputs.filter { input in
      !input.isOptional || model.inputs.contains { $0.name == input.port.name }
    }
    var outputs = outputs
    let produced = model.outputs.filter { !$0.name.hasPrefix(Self.ownPrefix) }
    if outputs.first?.name == Port.anyName, produced.count == 1 { outputs[0].name = produced[0].name }
    try match(present.map(\.port), model.inputs, "input", &types, &axes)
    try match(outputs, model.outputs, "output", &types, &axes)
    for pattern in weights {
      guard model.weights.contains(where: { Self.matches($0, pattern) }) else {
        throw fail("it has no weight '\(pattern)'")
      }
    }
    for axis in self.axes where axis.meaning == .channels {
      guard case .fixed? = axes[axis.name] else { throw fail("it does not fix \(axis.name), its channels") }
    }
    if lowNoise != nil, model.companions.isDisjoint(with: [.lowNoise, .highNoise]) {
      throw fail("no second transformer is beside it (give it with --low-noise or --high-noise)")
    }
    return AdapterMatch(
      adapter: self, types: types, axes: axes, inputs: present, output: outputs.first?.name ?? "",
      reason: reason(present))
  }

  private func reason(_ present: [Input]) -> String {
    var parts = ["inputs \(present.map(\.port.name).joined(separator: ", "))"]
    if !weights.isEmpty { parts.append("weights \(weights.joined(separator: ", "))") }
    if lowNoise != nil { parts.append("the second transformer") }
    return parts.joined(separator: "; ")
  }

  /// Whether a name ends as the pattern says, from the start of a word on; `*` stands for anything but a dot.
  static func matches(_ name: String, _ pattern: String) -> Bool {
    let words = name.split(separator: ".", omittingEmptySubsequences: false)
    let wanted = pattern.split(separator: ".", omittingEmptySubsequences: false)
    guard words.count >= wanted.count else { return false }
    return zip(words.suffix(wanted.count), wanted).allSatisfy { $1 == "*" || $0 == $1 }
  }

  private func match(
    _ ports: [Port], _ actual: [ModelInterface.Port], _ what: String, _ types: inout [String: ElementType],
    _ axes: inout [String: ModelInterface.Dim]
  ) throws(AdapterError) {
    func fail(_ reason: String) -> AdapterError { .doesNotFit(adapter: name, reason: reason) }
    if let extra = actual.first(where: { port in
      !port.name.hasPrefix(Self.ownPrefix) && !ports.contains { $0.name == port.name }
    }) {
      throw fail("it has the \(what) '\(extra.name)', which the adapter does not know")
    }
    for port in ports {
      guard let found = actual.first(where: { $0.name == port.name }) else {
        throw fail("it has no \(what) '\(port.name)'")
      }
      guard let type = found.type, port.types.contains(type) else {
        throw fail("its \(what) '\(port.name)' is not \(port.types.map(\.name).joined(separator: " or "))")
      }
      types[port.name] = type
      guard let dims = found.dims else { continue }
      guard dims.count == port.dims.count else {
        throw fail("its \(what) '\(port.name)' has \(dims.count) dimensions, not \(port.dims.count)")
      }
      for (position, (expected, dim)) in zip(port.dims, dims).enumerated() {
        switch (expected, dim) {
        case (.fixed(let length), .fixed(let other)) where length != other:
          throw fail("dimension \(position) of '\(port.name)' is \(other), not \(length)")
        case (.named(let axis), .fixed(let length)):
          if case .fixed(let other)? = axes[axis], other != length {
            throw fail("\(axis) is \(other) and \(length) in different places")
          }
          axes[axis] = dim
        case (.named(let axis), .symbolic):
          if axes[axis] == nil || axes[axis] == .unknown { axes[axis] = dim }
        case (.named(let axis), .unknown):
          if axes[axis] == nil { axes[axis] = .unknown }
        default: break
        }
      }
    }
    for axis in self.axes {
      if case .fixed(let length)? = axes[axis.name], length <= 0 || length % axis.multipleOf != 0 {
        throw fail("\(axis.name) is \(length), which is not a multiple of \(axis.multipleOf)")
      }
    }
  }
}
