import AttentionPatterns
import ONNXGraph
import TestSupport
import Testing

private func sites(_ m: TinyModel) throws -> [Site] {
  SiteFinder(try Model.load(bytes: m.bytes, path: "tiny.onnx")).sites()
}

@Suite struct SiteFinderTests {
  @Test func namesASiteByItsModule() throws {
    let site = try #require(try sites(AttentionModel().model).first)
    #expect(site.name == "attn")
    #expect(site.output == "probabilities")
    #expect(site.kind == .`self`)
    #expect(site.queryLength?.value == 12)
    #expect(site.isReplaceable)
  }

  @Test func lengthsOfDynamicModelsAreExpressions() throws {
    let site = try #require(try sites(AttentionModel().with(\.isDynamic, true).model).first)
    #expect(site.queryLength == ONNXGraph.Dimension(symbol: "S"))
    #expect(site.batch == ONNXGraph.Dimension(symbol: "B"))
  }

  @Test func tellsCrossFromSelf() throws {
    let site = try #require(try sites(AttentionModel().with(\.isCross, true).model).first)
    #expect(site.kind == .cross)
    #expect(site.keyLength?.value == 5)
    #expect(SiteSelection().reason(site) == .cheapCross(queries: 12, keys: 5, minimum: 1024))
    #expect(SiteSelection(minTokens: 1).reason(site) == nil)
    #expect(SiteSelection(only: ["attn"]).reason(site) == nil)
  }

  /// All placements of the scale mean the same.
  @Test(arguments: AttentionModel.Scale.allCases) func foldsTheScale(_ scale: AttentionModel.Scale) throws {
    let site = try #require(try sites(AttentionModel().with(\.scale, scale).model).first)
    let expected = scale == .none ? 1 : 1 / 8.0.squareRoot()
    let found = try #require(site.attention?.scale)
    #expect(abs(found - expected) < 1e-6)
  }

  @Test func weightsThatAreUsedElsewhereKeepASite() throws {
    var m = AttentionModel().model
    m.output("probabilities", 1)
    let site = try #require(try sites(m).first)
    #expect(!site.isReplaceable)
    #expect(site.reason?.sentence.contains("probabilities") == true)
  }

  /// Nothing is known of what a custom operator makes: the product's weight tells the type, the transposition the rank.
  @Test(arguments: ["weights", "output"]) func findsAttentionBehindCustomOperators(typeFrom: String) throws {
    var m = TinyModel()
    m.input("x", 1, ["B", "S", 16])
    m.node("Anything", domain: "company.ops", ["x"], ["h"])
    m.initializer("split", int64s: [0, -1, 2, 8], shape: [4])
    for name in ["q", "k", "v"] {
      if typeFrom == "weights" {
        m.initializer("w" + name, floats: AttentionModel.noise(256, seed: 1), shape: [16, 16])
        m.node("MatMul", ["h", "w" + name], [name])
      } else {
        m.node("Project", domain: "company.ops", ["h"], [name])
      }
      m.node("Reshape", [name, "split"], [name + "4"])
      m.node("Transpose", [name + "4"], [name + "t"], ["perm": .ints(name == "k" ? [0, 2, 3, 1] : [0, 2, 1, 3])])
    }
    m.node("MatMul", ["qt", "kt"], ["scores"])
    m.node("Softmax", ["scores"], ["p"], ["axis": .int(-1)])
    m.node("MatMul", ["p", "vt"], ["y"])
    m.output("y", 1)
    let site = try #require(try sites(m).first)
    #expect(site.isReplaceable, "\(site.reason?.sentence ?? "")")
    #expect(site.attention?.elementType == .float32)
    #expect(site.heads == 2 && site.headSize == 8)
    #expect(site.kind == .`self`)
  }

  /// Keys that a window pooled are no longer the queries' tokens.
  @Test func pooledKeysAreOthers() throws {
    var m = TinyModel()
    m.input("x", 1, [1, 12, 16])
    m.initializer("windows", int64s: [1, 4, 3, 16], shape: [4])
    m.node("Reshape", ["x", "windows"], ["w"])
    m.node("ReduceMean", ["w"], ["pooled"], ["axes": .ints([2]), "keepdims": .int(0)])
    m.node("Transpose", ["pooled"], ["kt"], ["perm": .ints([0, 2, 1])])
    m.node("MatMul", ["x", "kt"], ["scores"])
    m.node("Softmax", ["scores"], ["p"], ["axis": .int(-1)])
    m.node("MatMul", ["p", "pooled"], ["y"])
    m.output("y", 1)
    #expect(try sites(m).map(\.kind) == [.cross])
  }

  /// Keys that are one of the joined parts that the queries are all of are the same tokens still.
  @Test func aPartOfTheQueriesTokensIsNotPooled() throws {
    var m = TinyModel()
    m.input("x", 1, [1, 12, 16])
    m.input("y", 1, [1, 8, 16])
    m.node("Concat", ["x", "y"], ["all"], ["axis": .int(1)])
    m.node("Transpose", ["x"], ["kt"], ["perm": .ints([0, 2, 1])])
    m.node("MatMul", ["all", "kt"], ["scores"])
    m.node("Softmax", ["scores"], ["p"], ["axis": .int(-1)])
    m.node("MatMul", ["p", "x"], ["z"])
    m.output("z", 1)
    #expect(try sites(m).map(\.kind) == [.`self`])
  }

  @Test func namesAreUnique() throws {
    var m = TinyModel()
    m.input("x", 1, [1, 2, 6, 4])
    for i in 0..<2 {
      m.node("Transpose", ["x"], ["t\(i)"], ["perm": .ints([0, 1, 3, 2])])
      m.node("MatMul", ["x", "t\(i)"], ["s\(i)"])
      m.node("Softmax", name: "/block/attn/Softmax", ["s\(i)"], ["p\(i)"], ["axis": .int(-1)])
      m.node("MatMul", ["p\(i)", "x"], ["y\(i)"])
      m.output("y\(i)", 1)
    }
    let names = try sites(m).map(\.name)
    #expect(names.count == 2)
    #expect(Set(names).count == 2)
    #expect(names.allSatisfy { $0.hasPrefix("block.attn") })
  }
}

/// What has a softmax and is no attention.
@Suite struct TrapTests {
  private func base() -> TinyModel {
    var m = TinyModel()
    m.input("x", 1, [1, 6, 4])
    m.initializer("w", floats: AttentionModel.noise(16, seed: 1), shape: [4, 4])
    m.initializer("w2", floats: AttentionModel.noise(16, seed: 2), shape: [4, 4])
    return m
  }

  @Test func routersAreNone() throws {
    var m = base()
    m.node("MatMul", ["x", "w"], ["logits"])
    m.node("Softmax", ["logits"], ["p"], ["axis": .int(-1)])
    m.node("MatMul", ["p", "w2"], ["y"])
    m.output("y", 1)
    #expect(try sites(m).isEmpty)
  }

  @Test func gatesAreNone() throws {
    var m = base()
    m.node("MatMul", ["x", "w"], ["logits"])
    m.node("Softmax", ["logits"], ["p"], ["axis": .int(-1)])
    m.node("Mul", ["p", "x"], ["y"])
    m.output("y", 1)
    #expect(try sites(m).isEmpty)
  }

  @Test func classifiersAreNone() throws {
    var m = base()
    m.node("MatMul", ["x", "w"], ["logits"])
    m.node("Softmax", ["logits"], ["y"], ["axis": .int(-1)])
    m.output("y", 1)
    #expect(try sites(m).isEmpty)
  }

  /// softmax(q) (softmax(k)ᵀ v): no product under the softmax.
  @Test func linearAttentionIsNone() throws {
    var m = base()
    m.node("Softmax", ["x"], ["q"], ["axis": .int(-1)])
    m.node("Softmax", ["x"], ["k"], ["axis": .int(1)])
    m.node("Transpose", ["k"], ["kt"], ["perm": .ints([0, 2, 1])])
    m.node("MatMul", ["kt", "x"], ["kv"])
    m.node("MatMul", ["q", "kv"], ["y"])
    m.output("y", 1)
    #expect(try sites(m).isEmpty)
  }
}

/// What is no site is told with how far it looks like attention.
@Suite struct OtherSoftmaxTests {
  @Test func aSiteIsNotAmongThem() throws {
    let finder = SiteFinder(try Model.load(bytes: AttentionModel().model.bytes, path: "t.onnx"))
    #expect(finder.otherSoftmaxes(besides: finder.sites()).isEmpty)
  }

  @Test func theBestPartialMatchIsShown() throws {
    var m = TinyModel()
    m.input("q", 1, [1, 6, 4])
    m.input("v", 1, [1, 6, 4])
    m.node("Transpose", ["q"], ["qt"], ["perm": .ints([0, 2, 1])])
    m.node("MatMul", name: "product", ["q", "qt"], ["s"])
    // Nothing that the pattern knows.
    m.node("Sigmoid", name: "odd", ["s"], ["t"])
    m.node("Softmax", name: "softmax", ["t"], ["p"], ["axis": .int(-1)])
    m.node("MatMul", name: "second", ["p", "v"], ["y"])
    m.output("y", 1)
    let finder = SiteFinder(try Model.load(bytes: m.bytes, path: "t.onnx"))
    #expect(finder.sites().isEmpty)
    let other = try #require(finder.otherSoftmaxes(besides: []).first)
    #expect(other.node == "softmax")
    #expect(other.matched == ["MatMul second", "Softmax softmax"])
    #expect(other.reason.contains("Sigmoid odd"))
  }
}
