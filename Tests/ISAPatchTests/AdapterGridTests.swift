import AttentionPatterns
import CalibrationCore
import Foundation
import ISAPatch
import ONNXGraph
import SparseAttention
import TestSupport
import Testing

/// An export of the editor whose source stands first, and whose rows come apart on their way to tokens: the graph tells
/// the order and the lengths of the segments, and the adapter alone their grids.
@Suite struct AdapterGridTests {
  private static let adapter = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Adapters/in-context-editor.yaml").path

  /// [1, 3, 2, 32, 40]: 2×4×5 patches of 8×8.
  private var contextFirst: TinyModel {
    var m = TinyModel()
    for name in ["sample", "source"] { m.input(name, 1, [1, 3, 2, 32, 40]) }
    m.input("timestep", 1, [1])
    m.input("edit", 7, [1])
    // Four rows of patches as two by two.
    m.initializer("apart", int64s: [1, 3, 2, 2, 2, 8, 5, 8], shape: [8])
    m.initializer("tokens", int64s: [1, 40, 192], shape: [3])
    for name in ["sample", "source"] {
      m.node("Reshape", [name, "apart"], [name + ".apart"])
      m.node("Transpose", [name + ".apart"], [name + ".patches"], ["perm": .ints([0, 2, 3, 4, 6, 1, 5, 7])])
      m.node("Reshape", [name + ".patches", "tokens"], [name + ".tokens"])
    }
    m.node("Concat", ["source.tokens", "sample.tokens"], ["x"], ["axis": .int(1)])
    m.node("Transpose", ["x"], ["kt"], ["perm": .ints([0, 2, 1])])
    m.node("MatMul", ["x", "kt"], ["scores"])
    m.node("Softmax", name: "/attn/Softmax", ["scores"], ["p"], ["axis": .int(-1)])
    m.node("MatMul", ["p", "x"], ["a"])
    for (name, value) in [("start", 40), ("end", 80), ("axis", 1)] as [(String, Int64)] {
      m.initializer(name, int64s: [value], shape: [1])
    }
    m.node("Slice", ["a", "start", "end", "axis"], ["decoded"])
    m.initializer("patches", int64s: [1, 2, 2, 2, 5, 3, 8, 8], shape: [8])
    m.node("Reshape", ["decoded", "patches"], ["decoded.patches"])
    m.node("Transpose", ["decoded.patches"], ["decoded.apart"], ["perm": .ints([0, 5, 1, 2, 3, 6, 4, 7])])
    m.initializer("video", int64s: [1, 3, 2, 32, 40], shape: [5])
    m.node("Reshape", ["decoded.apart", "video"], ["velocity"])
    m.output("velocity", 1, [1, 3, 2, 32, 40])
    return m
  }

  @Test func gridsAreJoinedByKind() throws {
    let model = try Model.load(bytes: contextFirst.bytes, path: "t.onnx")
    // The graph's own word.
    let alone = try #require(SiteFinder(model).sites().first)
    #expect(alone.segments == [SiteSegment(kind: .context, length: 40), SiteSegment(kind: .target, length: 40)])
    let site = try #require(try Patcher(model, adapter: Self.adapter).sites.first)
    #expect(
      site.segments == [
        SiteSegment(kind: .context, length: 40, grid: [2, 4, 5]),
        SiteSegment(kind: .target, length: 40, grid: [2, 4, 5]),
      ])
    #expect(site.querySegments == site.segments)
  }

  @Test func thePatchedModelHasThem() throws {
    let folder = try Folder()
    let path = try folder.write("t.onnx", contextFirst.bytes)
    let output = "\(folder.path)/o.onnx"
    _ = try PatchJob(
      .init(model: path, output: output, mode: .paper, selection: SiteSelection(minTokens: 1), adapter: Self.adapter)
    ).run()
    let table = try Model.load(path: output).graph.initializers.first { $0.name.hasPrefix("isa.segments") }
    #expect(table?.int64Values() == [40, 2, 4, 5, 40, 2, 4, 5])
  }

  /// Which grid, and how full: in the document, by the cut that the operator makes.
  @Test func inspectSaysTheGridAndItsFill() throws {
    let folder = try Folder()
    let path = try folder.write("t.onnx", contextFirst.bytes)
    let report = try InspectJob(model: path, adapter: Self.adapter).run()
    let segment = try #require(report.sites.first?.segments.first)
    #expect(segment.kind == "context")
    #expect(segment.tile == [2, 4, 8])
    #expect(segment.block == 64)
    #expect(segment.fill == BlockFill(filled: 40.0 / 64, inTiles: 1))
    let document = try #require(
      JSONSerialization.jsonObject(with: Data(report.json.utf8)) as? [String: Any])
    let site = try #require((document["sites"] as? [[String: Any]])?.first)
    let written = try #require((site["segments"] as? [[String: Any]])?.first)
    #expect(written["fill"] as? Double == 0.625)
    #expect(written["in_tiles"] as? Double == 1)
    #expect(written["tile"] as? [Int] == [2, 4, 8])
  }

  /// A symbolic grid has no fill of its own; at the adapter's usual size, 8 frames of 128x128, tiles of 4×4×4 divide it.
  @Test func symbolicGridsAreToldAtTheUsualSize() throws {
    let package = URL(fileURLWithPath: Self.adapter).deletingLastPathComponent().path
    let report = try InspectJob(model: "\(package)/sample-editor/editor.onnx", adapter: Self.adapter).run()
    let segments = report.sites.flatMap(\.segments)
    #expect(segments.count == 12)
    for segment in segments {
      #expect(segment.fill == nil)
      #expect(segment.usual?.grid == [8, 16, 16])
      #expect(segment.usual?.fill == 1 && segment.usual?.inTiles == 1)
    }
    #expect(report.json.contains("at_defaults"))
  }
}
