import AttentionPatterns
import ONNXGraph
import TestSupport
import Testing

@Suite struct GlobTests {
  @Test(
    arguments: [
      ("blocks.*.attn1", "blocks.12.attn1", true), ("blocks.*.attn1", "blocks.12.attn2", false),
      ("*", "anything/at.all", true), ("block?", "block1", true), ("block?", "block12", false), ("", "", true),
      ("a*b*c", "aXbYbZc", true), ("a*b*c", "aXbYbZ", false), ("[ab]x", "bx", true), ("[!ab]x", "bx", false),
      ("x[1]", "x[1]", true), ("[a-c]", "b", true), ("[", "[", true), ("[]", "a", false),
    ])
  func matches(_ pattern: String, _ text: String, _ expected: Bool) {
    #expect(Glob.matches(pattern, text) == expected)
  }

  /// Many stars against a text without an end cost no more than their product.
  @Test(.timeLimit(.minutes(1))) func manyStarsEnd() {
    let pattern = String(repeating: "a*", count: 200) + "b"
    #expect(!Glob.matches(pattern, String(repeating: "a", count: 5000)))
  }
}

@Suite struct SiteSelectionTests {
  private func site(_ change: (inout Site) -> Void = { _ in }) throws -> Site {
    var site = try #require(
      SiteFinder(try Model.load(bytes: AttentionModel().model.bytes, path: "t.onnx")).sites().first)
    site.queryLength = 4096
    site.keyLength = 4096
    change(&site)
    return site
  }

  @Test func policyKeepsWhatCostsLittle() throws {
    let selection = SiteSelection()
    #expect(selection.reason(try site()) == nil)
    let prompt = try site { ($0.kind, $0.axis, $0.keyLength) = (.cross, .text, ONNXGraph.Dimension(symbol: "T")) }
    #expect(selection.reason(prompt) == .crossAttention)
    #expect(selection.reason(try site { $0.axis = .temporal }) == .temporalAxis)
    #expect(selection.reason(try site { $0.queryLength = 1 }) == .singleQuery)
    #expect(selection.reason(try site { $0.keyLength = 1000 }) == .fewTokens(length: 1000, minimum: 1024))
  }

  /// Queries times keys, whatever the kind: [queries, keys, whether it stays]; nil is not fixed.
  @Test(
    arguments: [
      (4096, 4096, false), (4096, 1024, false), (64, 65536, false), (64, 2048, true), (32760, 512, true),
      (nil, 512, true),
      (nil, 4096, false), (4096, nil, false), (1, 4096, true),
    ] as [(Int64?, Int64?, Bool)])
  func crossAttentionIsJudgedByItsCost(_ queries: Int64?, _ keys: Int64?, stays: Bool) throws {
    let reason = SiteSelection().reason(
      try site {
        $0.kind = .cross
        $0.axis = .spatiotemporal
        $0.queryLength = queries.map { ONNXGraph.Dimension($0) } ?? ONNXGraph.Dimension(symbol: "S")
        $0.keyLength = keys.map { ONNXGraph.Dimension($0) } ?? ONNXGraph.Dimension(symbol: "T")
      })
    #expect((reason != nil) == stays, "\(reason?.sentence ?? "goes")")
    #expect(reason?.isForCorrectness != true)
    // What it says holds.
    if case .cheapCross(let q, let k, let minimum)? = reason {
      #expect(k < minimum || q.map { $0 * k < minimum * minimum } ?? false)
    }
  }

  @Test func onlyOverridesPolicyButNotCorrectness() throws {
    let selection = SiteSelection(only: ["att*"])
    #expect(selection.reason(try site { $0.kind = .cross }) == nil)
    #expect(selection.reason(try site { $0.keyLength = 3 }) == nil)
    #expect(selection.reason(try site { $0.name = "other" }) == .notSelected)
    #expect(selection.reason(try site { $0.reason = .causal }) == .causal)
  }

  @Test func exceptWins() throws {
    #expect(SiteSelection(only: ["*"], except: ["attn"]).reason(try site()) == .notSelected)
  }
}

@Suite struct KeptReasonTests {
  static let all: [KeptReason] = [
    .causal, .quantised, .softCap, .attentionSink, .headsMixed, .formNotUnderstood("x"), .probabilitiesUsedElsewhere("x"), .lengthsUnknown("x"),
    .typeNotSupported("float64"), .headSizeTooLarge(512), .maskNotSupported("x"), .biasNeedsExact, .crossAttention,
    .cheapCross(queries: 64, keys: 2048, minimum: 1024), .cheapCross(queries: nil, keys: 77, minimum: 1024),
    .temporalAxis, .singleQuery, .fewTokens(length: 3, minimum: 4), .notSelected, .notInProfile,
  ]

  @Test(arguments: all) func saysOneSentenceAndWhatToDo(_ reason: KeptReason) {
    for text in [reason.sentence, reason.hint] {
      #expect(text.hasSuffix("."))
      #expect(text.first?.isUppercase == true)
      #expect(text.count <= 160)
    }
  }

  @Test func sentencesDiffer() { #expect(Set(Self.all.map(\.sentence)).count == Self.all.count) }
}
