import OnnxRuntime
import SparseAttention

/// What is known of a model family: how to recognise it, what its inputs mean, how its tokens are ordered, and how it
/// is sampled. Data, read from `Adapters/*.yaml`; the schema is in `Adapters/README.md`.
public struct Adapter: Equatable, Sendable {
  public static let schema = "isa-patch/adapter/1"

  public var name: String
  public var description: String
  /// In the file's order; a model matches with these inputs and outputs and no others.
  public var inputs: [Input]
  public var outputs: [Port]
  /// Patterns of which each has to match the end of an initializer's name: what tells families of one interface apart.
  public var weights: [String] = []
  /// The names that expressions use (F, H, W), and where a model has them.
  public var axes: [Axis]
  /// nil for models that work on pixels.
  public var latent: LatentSpace?
  /// The sequence of every self attention, in order.
  public var segments: [SegmentExpression]
  public var sampler: SamplerSettings
  public var guidance: Guidance = .none
  /// nil for families of one transformer.
  public var lowNoise: LowNoise?
  public var pixels: PixelRange
  public var defaults: Defaults
  public var conditions: [Condition]

  /// A named tensor of the graph.
  public struct Port: Equatable, Sendable {
    /// The name of an output that may have any.
    public static let anyName = "*"

    public var name: String
    public var types: [ElementType]
    public var dims: [Dim]
  }

  public struct Input: Equatable, Sendable {
    public var port: Port
    public var role: Role
    /// A model without it fits too.
    public var isOptional = false
    /// The array of the text file that a text input takes.
    public var array: String?
    /// What a constant input is filled with, over the names of the axes.
    public var value: AxisExpression?
    /// What a stack is made of.
    public var parts: [ChannelPart] = []
  }

  public enum Dim: Equatable, Sendable {
    case fixed(Int)
    case named(String)

    var fixed: Int? { if case .fixed(let length) = self { length } else { nil } }
  }

  /// What an input is for.
  public enum Role: String, Sendable, CaseIterable {
    /// x, the noisy target video or its latents.
    case sample
    /// The clean source video or its latents.
    case source
    /// Parts put together along the channels.
    case stack
    /// The sampler's time [B].
    case timestep
    /// The number of the edit [B].
    case condition
    /// Embeddings from the text file.
    case text
    /// 1 where the text has a token, 0 where it was padded.
    case textMask = "text-mask"
    /// The scale of embedded guidance [B].
    case guidance
    /// The same value everywhere.
    case constant
    /// A row of three numbers for each token of its parts: the part's index, row, column.
    case positions
  }

  /// A part of a stack.
  public enum ChannelPart: Equatable, Sendable {
    case sample
    case source
    /// The latents of a clip that is grey throughout, or grey pixels.
    case blank
    /// The latents of the source's first frame, grey from there on.
    case firstFrame
    /// The same value in all channels; in the first frames alone where their number is given, else zero.
    case constant(Double, channels: Int, frames: Int?)
  }

  public struct Axis: Equatable, Sendable {
    public var name: String
    /// What sets its length.
    public var meaning: Meaning
    /// Input and position whose length it is; nil where no input has it.
    public var input: String?
    public var position: Int
    /// Its length has to be a multiple of this.
    public var multipleOf: Int
    /// Whether a text shorter than the model's fixed length is followed by zeros.
    public var isPadded = false

    public enum Meaning: String, Sendable, CaseIterable {
      /// 1, or the number of guidance's branches where they go in one batch.
      case batch
      /// Of the clip, or of its latents.
      case frames, height, width
      /// Of the latents: the model fixes it.
      case channels
      /// frames · height · width over `pack`: a model that takes latents as tokens.
      case tokens
      /// Tokens of the text, and all else that the model or the text file sets.
      case text, features
    }
  }

  /// A segment whose length and grid follow from the axes.
  public struct SegmentExpression: Equatable, Sendable {
    public var kind: SegmentKind
    public var length: AxisExpression
    /// Frames, rows, columns.
    public var grid: [AxisExpression]?
  }

  /// The second transformer of a family of two.
  public struct LowNoise: Equatable, Sendable {
    /// It runs where the time is below this share of the timestep scale.
    public var below: Double
    /// Guidance while it runs; nil: as before.
    public var scale: Double?
  }

  /// The model's values of black and white.
  public struct PixelRange: Equatable, Sendable {
    public var black: Double
    public var white: Double
  }

  public struct Defaults: Equatable, Sendable {
    public var frames: Int
    public var width: Int
    public var height: Int
    public var steps: Int
    public var seed: UInt64
  }

  public struct Condition: Equatable, Sendable {
    public var id: Int64
    public var name: String
  }
}

extension Adapter {
  public func input(_ role: Role) -> Input? { inputs.first { $0.role == role } }

  public func axis(_ meaning: Axis.Meaning) -> Axis? { axes.first { $0.meaning == meaning } }

  public func axis(named name: String) -> Axis? { axes.first { $0.name == name } }

  /// Whether a run needs a clip.
  public var needsSource: Bool {
    inputs.contains { $0.role == .source || $0.parts.contains(.source) || $0.parts.contains(.firstFrame) }
  }

  /// Whether a run needs the source whole, and its first frame alone.
  public var needsWholeSource: Bool {
    inputs.contains { $0.role == .source || $0.role == .stack && $0.parts.contains(.source) }
  }

  public var needsFirstFrame: Bool { inputs.contains { $0.parts.contains(.firstFrame) } }

  /// Whether a run needs a grey clip.
  public var needsBlank: Bool {
    inputs.contains { $0.parts.contains(.blank) } || guidance.needed.contains { $0.source == .blank }
  }

  /// The condition given by number or name.
  public func condition(_ text: String) throws(AdapterError) -> Condition {
    if let found = conditions.first(where: { String($0.id) == text || $0.name == text }) { return found }
    throw .unknownCondition(text, adapter: name, known: conditions.map { "\($0.id) \($0.name)" })
  }

  /// Lengths of the axes for a clip; checks that they are multiples of what the model needs. Axes that the clip does
  /// not set are left out.
  public func dimensions(frames: Int, width: Int, height: Int) throws(AdapterError) -> [String: Int] {
    let grid = try latentGrid(frames: frames, width: width, height: height)
    var result: [String: Int] = [:]
    for axis in axes {
      switch axis.meaning {
      case .batch: result[axis.name] = 1
      case .frames: result[axis.name] = grid.frames
      case .height: result[axis.name] = grid.rows
      case .width: result[axis.name] = grid.columns
      case .tokens: result[axis.name] = grid.volume / (latent?.pack.volume ?? 1)
      case .channels, .text, .features: break
      }
    }
    return result
  }

  /// Frames, rows and columns of the sample for a clip's in pixels.
  public func latentGrid(frames: Int, width: Int, height: Int) throws(AdapterError) -> Grid {
    let (spatial, temporal) = (latent?.spatial ?? 1, latent?.temporal ?? 1)
    func length(_ meaning: Axis.Meaning, _ pixels: Int) throws(AdapterError) -> Int {
      let multiple = (axis(meaning)?.multipleOf ?? 1) * spatial
      guard pixels > 0, pixels % multiple == 0 else {
        throw .unfitSize(axis: meaning.rawValue, length: pixels, multipleOf: multiple, adapter: name)
      }
      return pixels / spatial
    }
    let multiple = axis(.frames)?.multipleOf ?? 1
    guard frames > 0, (frames - 1) % temporal == 0, ((frames - 1) / temporal + 1) % multiple == 0 else {
      throw temporal == 1
        ? .unfitSize(axis: "frames", length: frames, multipleOf: multiple, adapter: name)
        : .unfitFrames(frames, multipleOf: temporal, adapter: name)
    }
    if axis(.frames) == nil, frames != 1 { throw .oneFrame(frames, adapter: name) }
    return Grid(
      frames: (frames - 1) / temporal + 1, rows: try length(.height, height), columns: try length(.width, width))
  }

  /// The segments for given lengths of the axes.
  public func segments(_ dimensions: [String: Int]) throws(AdapterError) -> [Segment] {
    var result: [Segment] = []
    for segment in segments {
      do throws(AxisExpression.Failure) {
        let length = try segment.length.value(dimensions)
        var grid: Grid?
        if let axes = segment.grid {
          grid = Grid(
            frames: try axes[0].value(dimensions), rows: try axes[1].value(dimensions),
            columns: try axes[2].value(dimensions))
        }
        if let grid, grid.count != length { throw .overflow(segment.length) }
        result.append(Segment(segment.kind, length: length, grid: grid))
      } catch {
        throw .segments(adapter: name, problem: error.message)
      }
    }
    return result
  }

  /// Tokens of the target for given lengths of the axes; 0 where the text's length would be needed.
  public func targetTokens(_ dimensions: [String: Int]) -> Int {
    segments.first { $0.kind == .target }.flatMap { try? $0.length.value(dimensions) } ?? 0
  }
}
