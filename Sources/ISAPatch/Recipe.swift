import CalibrationCore
import Foundation
import SparseAttention
import VideoPipeline

/// `Calibration/*.yaml`: what a calibration runs with, kept in a file; what the command line says goes before it.
public struct Recipe: Equatable, Sendable {
  public static let schema = "isa-patch/recipe/1"

  public var edits: [String] = []
  public var steps: Int?
  public var seed: UInt64?
  public var frames: Int?
  public var size: FrameSize?
  public var target: Target?
  public var compute: ComputeType?

  public init() {}

  /// - Throws: `ToolError` 66 where there is no such file, 78 where it is not of this schema, with the line.
  public static func read(_ path: String) throws(ToolError) -> Recipe {
    let data = try InputFile.read(path)
    do throws(YAMLSchemaError) {
      return try Recipe(YAMLValue.document(String(decoding: data, as: UTF8.self), file: path))
    } catch {
      throw ToolError(error.message, .configuration)
    }
  }

  init(_ document: YAMLValue) throws(YAMLSchemaError) {
    let keys = try document.object(
      required: ["schema", "description"],
      optional: ["edits", "steps", "seed", "frames", "size", "target", "compute"])
    if let version = keys["schema"], try version.string() != Recipe.schema {
      throw version.failure("this version reads \(Recipe.schema)")
    }
    if let list = try keys["edits"]?.array() {
      for edit in list { edits.append(try edit.string()) }
    }
    steps = try keys["steps"]?.integer(in: 1...10_000)
    seed = try keys["seed"].map { value throws(YAMLSchemaError) in UInt64(try value.integer(in: 0...Int.max)) }
    frames = try keys["frames"]?.integer(in: 1...4096)
    if let value = keys["size"] {
      guard let parsed = FrameSize(try value.string()) else { throw value.failure("should be a size such as 192x128") }
      size = parsed
    }
    compute = try keys["compute"]?.choice(ComputeType.self)
    if let value = keys["target"] {
      let entries = try value.entries()
      guard entries.count == 1, let entry = entries.first,
        let parsed = Target(name: entry.key, value: try entry.value.number())
      else { throw value.failure("should be one of psnr, max_error, density and speedup with a number") }
      if let problem = parsed.problem { throw entry.value.failure("the \(parsed.name) of \(parsed.text) \(problem)") }
      target = parsed
    }
  }

  /// The options with what they leave open taken from the recipe.
  public func completing(_ options: SamplingOptions) -> SamplingOptions {
    var result = options
    if result.edits.isEmpty { result.edits = edits }
    result.steps = result.steps ?? steps
    result.seed = result.seed ?? seed
    result.frames = result.frames ?? frames
    result.size = result.size ?? size
    return result
  }
}
