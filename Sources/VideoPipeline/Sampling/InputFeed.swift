import OnnxRuntime
import SparseAttention

/// Makes the model's inputs, and reads its output, in the order and type that its graph wants.
struct InputFeed: Sendable {
  private let match: AdapterMatch
  private let given: RunInputs
  private let dimensions: [String: Int]
  private let grid: Grid
  private let channels: Int
  /// The source, a grey clip, and the first frame with grey after it, as the model takes them; empty where no input asks
  /// for them.
  private let source: [Float]
  private let blank: [Float]
  private let firstFrame: [Float]
  private let text: TextInputs

  init(
    _ match: AdapterMatch, given: RunInputs, dimensions: [String: Int], grid: Grid, channels: Int
  ) throws(SamplerError) {
    let adapter = match.adapter
    self.match = match
    self.given = given
    self.dimensions = dimensions
    self.grid = grid
    self.channels = channels
    text = TextInputs(match, text: given.text, negative: given.negativeText)
    let expected = channels * grid.volume
    if adapter.latent == nil {
      let (pixels, grey) = (adapter.pixels, given.source?.grey(from: 1).values ?? [])
      source = given.source.map { pixels.model($0.values) } ?? []
      blank = pixels.model(Array(repeating: 0, count: adapter.needsBlank ? expected : 0))
      firstFrame = adapter.needsFirstFrame ? pixels.model(grey) : []
    } else {
      source = given.sourceLatents ?? []
      blank = given.blankLatents ?? []
      firstFrame = given.firstFrameLatents ?? []
    }
    let needed = [
      (adapter.needsWholeSource, source), (adapter.needsBlank, blank), (adapter.needsFirstFrame, firstFrame),
    ]
    for (isNeeded, values) in needed where isNeeded && values.count != expected {
      throw values.isEmpty
        ? .sourceMissing(adapter: adapter.name) : .sourceCount(expected: expected, actual: values.count)
    }
  }

  /// The inputs of one call.
  func inputs(
    x: [Float], t: Float, branches: [Guidance.Branch], guidance: Guidance
  ) throws(SamplerError) -> [String: Tensor] {
    var inputs: [String: Tensor] = [:]
    for input in match.inputs {
      inputs[input.port.name] = try array(input, x: x, t: t, branches: branches, guidance: guidance)
    }
    return inputs
  }

  private func array(
    _ input: Adapter.Input, x: [Float], t: Float, branches: [Guidance.Branch], guidance: Guidance
  ) throws(SamplerError) -> Tensor? {
    switch input.role {
    case .sample: return video(input, branches.map { _ in [(x, channels)] })
    case .source: return video(input, branches.map { [(source(of: $0), channels)] })
    case .stack:
      return video(
        input,
        branches.map { branch in
          input.parts.map { part in
            switch part {
            case .sample: (x, channels)
            case .source: (source(of: branch), channels)
            case .blank: (blank, channels)
            case .firstFrame: (firstFrame, channels)
            case .constant(let value, let count, let frames): (constant(value, count, frames), count)
            }
          }
        })
    case .timestep: return filled(input, Double(t), batch: branches.count)
    case .condition: return filled(input, Double(given.condition ?? 0), batch: branches.count)
    case .guidance:
      guard case .embedded(let scale, let factor) = guidance else { return filled(input, 1, batch: branches.count) }
      return filled(input, scale * factor, batch: branches.count)
    case .constant:
      guard let value = try? input.value?.value(dimensions) else { return nil }
      let tokens = try branches.first.flatMap { branch throws(SamplerError) in try text.tokens(branch.text) }
      return filled(input, Double(value), batch: branches.count, tokens: tokens ?? 1)
    case .positions: return positions(input)
    case .text, .textMask: return try text.array(input, branches)
    }
  }

  /// Of each token: the part that it belongs to, its row and its column.
  private func positions(_ input: Adapter.Input) -> Tensor? {
    let pack = match.adapter.latent?.pack ?? Grid(frames: 1, rows: 1, columns: 1)
    var values: [Float] = []
    for part in input.parts.indices {
      for _ in 0..<grid.frames / pack.frames {
        for row in 0..<grid.rows / pack.rows {
          for column in 0..<grid.columns / pack.columns { values += [Float(part), Float(row), Float(column)] }
        }
      }
    }
    return Tensor.of(values, shape: [values.count / 3, 3], type(input))
  }

  private func constant(_ value: Double, _ channels: Int, _ frames: Int?) -> [Float] {
    let plane = grid.rows * grid.columns
    return (0..<channels * grid.volume).map { $0 / plane % grid.frames < frames ?? .max ? Float(value) : 0 }
  }

  private func source(of branch: Guidance.Branch) -> [Float] { branch.source == .clip ? source : blank }

  /// A tensor of videos, a row of the batch each; every one made of parts with their channels.
  private func video(_ input: Adapter.Input, _ rows: [[(values: [Float], channels: Int)]]) -> Tensor? {
    guard let layout = VideoLayout(input.port, match.adapter), let first = rows.first else { return nil }
    let channels = first.reduce(0) { $0 + $1.channels }
    let values = rows.flatMap { layout.arranged($0.flatMap(\.values), channels: channels, grid) }
    return Tensor.of(
      values, shape: layout.shape(batch: rows.count, channels: channels, grid), type(input))
  }

  /// The same value everywhere.
  /// - Parameter tokens: of the text.
  private func filled(_ input: Adapter.Input, _ value: Double, batch: Int, tokens: Int = 1) -> Tensor? {
    let shape = input.port.dims.map { dim in
      guard case .named(let name) = dim else { return dim.fixed ?? 1 }
      return switch match.adapter.axis(named: name)?.meaning {
      case .batch: batch
      case .text: tokens
      default: dimensions[name] ?? 1
      }
    }
    return Tensor.of(Array(repeating: Float(value), count: elementCount(shape) ?? 0), shape: shape, type(input))
  }

  private func type(_ input: Adapter.Input) -> ElementType { match.types[input.port.name] ?? .float32 }

  /// The videos of a batch in the model's output: channels, frames, rows, columns each.
  func videos(_ output: Tensor, batch: Int) throws(SamplerError) -> [[Float]] {
    guard let port = match.adapter.outputs.first, let layout = VideoLayout(port, match.adapter) else { return [] }
    let expected = layout.shape(batch: batch, channels: channels, grid)
    guard output.shape == expected else {
      throw .velocityShape(output: match.output, expected: expected, actual: output.shape)
    }
    let values = output.floats
    guard batch > 1 else { return [layout.restored(values, channels: channels, grid)] }
    let count = values.count / batch
    return (0..<batch).map {
      layout.restored(Array(values[$0 * count..<($0 + 1) * count]), channels: channels, grid)
    }
  }
}

extension Tensor {
  /// Values in any type; whole numbers where the type has only those.
  static func of(_ values: [Float], shape: [Int], _ type: ElementType) -> Tensor? {
    func integers<T: TensorElement & FixedWidthInteger>(_: T.Type) -> Tensor? {
      try? Tensor(values.map { T(exactly: $0.rounded(.towardZero)) ?? 0 }, shape: shape)
    }
    return switch type {
    case .float32, .float64, .float16, .bfloat16: try? Tensor(floats: values, shape: shape, as: type)
    case .bool: try? Tensor(values.map { $0 != 0 }, shape: shape)
    case .int8: integers(Int8.self)
    case .int16: integers(Int16.self)
    case .int32: integers(Int32.self)
    case .int64: integers(Int64.self)
    case .uint8: integers(UInt8.self)
    case .uint16: integers(UInt16.self)
    case .uint32: integers(UInt32.self)
    case .uint64: integers(UInt64.self)
    }
  }
}
