import AttentionPatterns
import ONNXGraph
import SparseAttention
import TestSupport
import Testing

/// An in-context editor in small: target and source latents [B, C, F, H, W] become tokens, are joined along the
/// sequence, attend, and the target's part is sliced out and put back into a video.
private struct InContextModel {
  var isDynamic = false
  var isSourceFirst = false
  /// No slice: everything is decoded.
  var decodesAll = false

  var model: TinyModel {
    var m = TinyModel()
    let shape: [TinyModel.Dimension] = isDynamic ? [1, 8, "F", "H", "W"] : [1, 8, 2, 3, 4]
    m.input("sample", 1, shape)
    m.input("source", 1, shape)
    m.initializer("tokens", int64s: [1, 8, -1], shape: [3])
    for name in ["sample", "source"] {
      m.node("Reshape", [name, "tokens"], [name + " flat"])
      m.node("Transpose", [name + " flat"], [name + " tokens"], ["perm": .ints([0, 2, 1])])
      m.initializer(name + " w", floats: AttentionModel.noise(64, seed: name.count), shape: [8, 8])
      m.node("MatMul", [name + " tokens", name + " w"], [name + " embedded"])
    }
    let order = isSourceFirst ? ["source", "sample"] : ["sample", "source"]
    m.node("Concat", order.map { $0 + " embedded" }, ["x"], ["axis": .int(1)])
    for (i, name) in ["q", "k", "v"].enumerated() {
      m.initializer("w" + name, floats: AttentionModel.noise(64, seed: 20 + i), shape: [8, 8])
      m.node("MatMul", ["x", "w" + name], [name])
    }
    m.node("Transpose", ["k"], ["kt"], ["perm": .ints([0, 2, 1])])
    m.node("MatMul", ["q", "kt"], ["scores"])
    m.node("Softmax", name: "/blocks.0/attn/Softmax", ["scores"], ["p"], ["axis": .int(-1)])
    m.node("MatMul", ["p", "v"], ["a"])
    m.node("Add", ["x", "a"], ["r"])
    var decoded = "r"
    if !decodesAll {
      m.node("Shape", ["sample embedded"], ["shape"])
      m.initializer("one", int64s: [1], shape: [1])
      m.initializer("zero", int64s: [0], shape: [1])
      m.initializer("end", int64s: [Int64.max], shape: [1])
      m.node("Gather", ["shape", "one"], ["length"])
      if isSourceFirst {
        m.node("Shape", ["source embedded"], ["source shape"])
        m.node("Gather", ["source shape", "one"], ["start"])
        m.node("Slice", ["r", "start", "end", "one"], ["target"])
      } else {
        m.node("Slice", ["r", "zero", "length", "one"], ["target"])
      }
      decoded = "target"
    }
    m.node("Transpose", [decoded], ["channels first"], ["perm": .ints([0, 2, 1])])
    if decodesAll {
      m.output("channels first", 1)
    } else {
      m.node("Shape", ["sample"], ["video"])
      m.node("Reshape", ["channels first", "video"], ["velocity"])
      m.output("velocity", 1)
    }
    return m
  }

  func site() throws -> Site? { SiteFinder(try Model.load(bytes: model.bytes, path: "t.onnx")).sites().first }
}

@Suite struct SegmentTests {
  private func dimension(_ text: String) -> ONNXGraph.Dimension { ONNXGraph.Dimension(parsing: text) }

  @Test func theDecodedPartIsTheTarget() throws {
    let site = try #require(try InContextModel().site())
    #expect(site.segments.map(\.kind) == [.target, .context])
    #expect(site.segments.map(\.length) == [24, 24])
    #expect(site.querySegments == site.segments)
  }

  @Test func orderIsTheGraphs() throws {
    let site = try #require(try InContextModel(isSourceFirst: true).site())
    #expect(site.segments.map(\.kind) == [.context, .target])
  }

  @Test func dynamicLengthsAreExpressions() throws {
    let site = try #require(try InContextModel(isDynamic: true).site())
    #expect(site.segments.map(\.kind) == [.target, .context])
    #expect(site.segments.map(\.length) == [dimension("F*H*W"), dimension("F*H*W")])
  }

  @Test func gridsAreFramesRowsAndColumns() throws {
    let site = try #require(try InContextModel(isDynamic: true).site())
    #expect(site.segments.first?.grid == [dimension("F"), dimension("H"), dimension("W")])
  }

  /// Where all is decoded nothing is context, and nothing is guessed.
  @Test func contextIsNeverGuessed() throws {
    let site = try #require(try InContextModel(decodesAll: true).site())
    #expect(!site.segments.contains { $0.kind == .context })
  }
}

/// Tokens of which the graph shows less than usual.
@Suite struct TokenTests {
  private func attended(_ m: inout TinyModel, _ tokens: String) {
    m.node("Transpose", [tokens], ["kt"], ["perm": .ints([0, 2, 1])])
    m.node("MatMul", [tokens, "kt"], ["scores"])
    m.node("Softmax", ["scores"], ["p"], ["axis": .int(-1)])
    m.node("MatMul", ["p", tokens], ["a"])
  }

  private func site(_ m: TinyModel) throws -> Site {
    try #require(SiteFinder(try Model.load(bytes: m.bytes, path: "t.onnx")).sites().first)
  }

  /// Exporters fix the length of a table that is added to the tokens, and leave the video's sizes open.
  @Test func aLengthFixedOnOneSideHidesNoTarget() throws {
    var m = TinyModel()
    m.input("sample", 1, [1, 8, "F", "H", "W"])
    m.initializer("flat", int64s: [1, 8, -1], shape: [3])
    m.initializer("table", floats: AttentionModel.noise(192, seed: 1), shape: [1, 24, 8])
    m.node("Reshape", ["sample", "flat"], ["channels"])
    m.node("Transpose", ["channels"], ["tokens"], ["perm": .ints([0, 2, 1])])
    m.node("Add", ["tokens", "table"], ["x"])
    attended(&m, "x")
    m.node("Transpose", ["a"], ["back"], ["perm": .ints([0, 2, 1])])
    m.node("Shape", ["sample"], ["video"])
    m.node("Reshape", ["back", "video"], ["velocity"])
    m.output("velocity", 1)
    let site = try site(m)
    #expect(site.queryLength == 24)
    #expect(site.segments.map(\.kind) == [.target])
    #expect(!site.segmentsAreUnsure)
  }

  /// Joined along the frames before they become tokens: rows and columns come from both.
  @Test func gridsOfVideosThatWereJoinedAsVideos() throws {
    var m = TinyModel()
    for name in ["sample", "source"] { m.input(name, 1, [1, 8, 2, 3, 4]) }
    m.node("Concat", ["source", "sample"], ["both"], ["axis": .int(2)])
    m.initializer("flat", int64s: [1, 8, 48], shape: [3])
    m.node("Reshape", ["both", "flat"], ["channels"])
    m.node("Transpose", ["channels"], ["x"], ["perm": .ints([0, 2, 1])])
    attended(&m, "x")
    m.node("Transpose", ["a"], ["back"], ["perm": .ints([0, 2, 1])])
    m.initializer("video", int64s: [1, 8, 4, 3, 4], shape: [5])
    m.node("Reshape", ["back", "video"], ["all"])
    for (name, value) in [("two", 2), ("four", 4), ("axis", 2)] as [(String, Int64)] {
      m.initializer(name, int64s: [value], shape: [1])
    }
    m.node("Slice", ["all", "two", "four", "axis"], ["velocity"])
    m.output("velocity", 1)
    let site = try site(m)
    #expect(site.segments.map(\.kind) == [.context, .target])
    #expect(site.segments.map(\.grid) == [[2, 3, 4], [2, 3, 4]])
  }

  /// [B, S, C] alone is taken for a video's tokens; where the model decodes images, for an image's.
  @Test func tokensBesideAnImageAreSpatial() throws {
    for decodesImage in [false, true] {
      var m = TinyModel()
      m.input("x", 1, [1, 12, 8])
      m.input("image", 1, [1, 4, 6, 6])
      attended(&m, "x")
      m.output("a", 1)
      m.node("Relu", ["image"], ["decoded"])
      if decodesImage { m.output("decoded", 1) }
      #expect(try site(m).axis == (decodesImage ? .spatial : .spatiotemporal))
    }
  }
}

@Suite struct GivenSegmentsTests {
  /// What an adapter knows, put to what a graph shows: [given, shown, order, result].
  @Test(
    arguments: [
      // Nothing is shown, or the same.
      ("target=6:1x2x3,context=6:1x2x3", "", "", "target=6:1x2x3,context=6:1x2x3"),
      ("target=6:1x2x3,context=6:1x2x3", "target=6,context=6", "", "target=6:1x2x3,context=6:1x2x3"),
      // Another order, with lengths and without.
      ("target=6:1x2x3,context=4:1x2x2", "context=4,target=6", "", "context=4:1x2x2,target=6:1x2x3"),
      ("target=6:1x2x3,context=4:1x2x2", "", "context,target", "context=4:1x2x2,target=6:1x2x3"),
      ("target=n*h*w:nxhxw,context=h*w:1xhxw", "context=h*w,target=n*h*w", "", "context=h*w:1xhxw,target=n*h*w:nxhxw"),
      // A grid of the graph's own stays.
      ("target=6:1x2x3,context=6:1x2x3", "context=6:1x3x2,target=6", "", "context=6:1x3x2,target=6:1x2x3"),
      // A text beside them.
      ("target=6:1x2x3,context=6:1x2x3", "text=5,context=6,target=6", "", "text=5,context=6:1x2x3,target=6:1x2x3"),
      // What the graph says otherwise.
      ("target=6:1x2x3,context=4:1x2x2", "context=6,target=4", "", nil),
      ("target=6:1x2x3,context=4:1x2x2", "target=10,text=2", "", nil),
      ("target=6:1x2x3,context=4:1x2x2", "", "text,target", nil),
    ] as [(String, String, String, String?)])
  func joinsByKind(_ given: String, _ shown: String, _ order: String, _ result: String?) throws {
    let shown = shown.isEmpty ? [] : try GivenSegments(parsing: shown).segments
    let given = try GivenSegments(parsing: given)
    let length = shown.isEmpty ? given.total : GivenSegments(shown).total
    let joined = given.joined(
      to: shown, order: order.split(separator: ",").compactMap { SegmentKind(rawValue: String($0)) }, length: length)
    #expect(try joined == result.map { try GivenSegments(parsing: $0).segments })
  }

  @Test func readsKindsLengthsAndGrids() throws {
    let given = try GivenSegments(parsing: "text=77, target=2048:8x16x16,context=2048:8x16x16")
    #expect(given.segments.map(\.kind) == [.text, .target, .context])
    #expect(given.segments.map(\.length) == [77, 2048, 2048])
    #expect(given.segments.map(\.grid) == [nil, [8, 16, 16], [8, 16, 16]])
    #expect(given.total == 4173)
  }

  @Test(
    arguments: [
      "", "target", "target=", "video=5", "target=0", "target=-4", "target=8:2x2", "target=8:2x2x3", "target=8:axbxc",
      "target=8,,context=8", "target=99999999999999999999",
    ])
  func refusesWhatIsNone(_ text: String) {
    #expect(throws: GivenSegments.SyntaxError.self) { try GivenSegments(parsing: text) }
  }
}
