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
  /// The names that expressions use (F, H, W), and where a model has them.
  public var axes: [Axis]
  /// The sequence of every self attention, in order.
  public var segments: [SegmentExpression]
  public var sampler: SamplerKind
  public var pixels: PixelRange
  public var defaults: Defaults
  public var conditions: [Condition]

  /// A named tensor of the graph.
  public struct Port: Equatable, Sendable {
    public var name: String
    public var types: [ElementType]
    public var dims: [Dim]
  }

  public struct Input: Equatable, Sendable {
    public var port: Port
    public var role: Role
  }

  public enum Dim: Equatable, Sendable {
    case fixed(Int)
    case named(String)
  }

  /// What an input is for.
  public enum Role: String, Sendable, CaseIterable {
    /// x_t, the noisy target video [B, 3, F, H, W].
    case sample
    /// The clean source video [B, 3, F, H, W].
    case source
    /// t in (0, 1], 1 is pure noise [B].
    case timestep
    /// The number of the edit [B].
    case condition
  }

  public struct Axis: Equatable, Sendable {
    public var name: String
    /// What a size in pixels or frames sets; nil for the batch, which is 1.
    public var meaning: Meaning
    /// Input and position whose length it is.
    public var input: String
    public var position: Int
    /// Its length has to be a multiple of this.
    public var multipleOf: Int

    public enum Meaning: String, Sendable, CaseIterable {
      case batch, frames, height, width
    }
  }

  /// A segment whose length and grid follow from the axes.
  public struct SegmentExpression: Equatable, Sendable {
    public var kind: SegmentKind
    public var length: AxisExpression
    /// Frames, rows, columns.
    public var grid: [AxisExpression]?
  }

  public enum SamplerKind: String, Sendable, CaseIterable {
    /// x = noise(seed); for k in 0 ..< steps: t = 1 − k/steps, x = x − velocity(x, t)/steps.
    case flowEuler = "flow-euler"
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

  /// The condition given by number or name.
  public func condition(_ text: String) throws(AdapterError) -> Condition {
    if let found = conditions.first(where: { String($0.id) == text || $0.name == text }) { return found }
    throw .unknownCondition(text, adapter: name, known: conditions.map { "\($0.id) \($0.name)" })
  }

  /// Lengths of the axes for a clip; checks that they are multiples of what the model needs.
  public func dimensions(frames: Int, width: Int, height: Int) throws(AdapterError) -> [String: Int] {
    var result: [String: Int] = [:]
    for axis in axes {
      let length =
        switch axis.meaning {
        case .batch: 1
        case .frames: frames
        case .height: height
        case .width: width
        }
      guard length > 0, length % axis.multipleOf == 0 else {
        throw .unfitSize(axis: axis.meaning.rawValue, length: length, multipleOf: axis.multipleOf, adapter: name)
      }
      result[axis.name] = length
    }
    return result
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
}
