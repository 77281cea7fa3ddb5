import GraphRewriting
import ONNXGraph

/// Attention whose heads are mixed by weights before the softmax, after it, or both:
///
///     softmax(W₁ · q kᵀ) · W₂ · v, with W over heads
///
/// It is a site, and stays: no head's scores are its own.
struct TalkingHeads {
  static let pattern = Pattern.alternatives(
    group: "second product",
    [
      .init("MatMul", .op("MatMul", weights, .activation("v"))),
      .init("Einsum", .op("Einsum", weights, .activation("v"))),
    ])

  private static let weights = Pattern.chain(
    group: "probabilities", steps: DecomposedPattern.afterSoftmax + mixing,
    end: .op("Softmax", scores, as: "softmax"))

  private static let scores = Pattern.chain(
    group: "scores", steps: DecomposedPattern.beforeSoftmax + mixing,
    end: .alternatives(
      group: "first product",
      ["MatMul", "Einsum"].map { .init($0, .op($0, .activation("q"), .activation("k"), as: "first")) }))

  private static let mixing: [Pattern.Alternative] = [
    .init("heads mixed", .op("MatMul", .rest, .weight("mixing"))),
    .init("heads mixed", .op("Einsum", .rest, .weight("mixing"))),
    .init("heads mixed", .op("Einsum", .weight("mixing"), .rest)),
    .init("heads mixed", .op("Conv", .rest, .weight("mixing"))),
  ]

  let view: GraphView
  let match: Match

  /// - Returns: nil where the product with weights mixes anything but the heads of scores.
  func recognised() -> Recognition? {
    let steps = (match.steps["scores"] ?? []) + (match.steps["probabilities"] ?? [])
    let mixing = steps.compactMap { $0.values["mixing"] }
    guard let first = match.nodes["first"]?.outputs.first.flatMap({ view.shape($0) }), first.count >= 4,
      let softmax = match.nodes["softmax"], let weights = softmax.outputs.first.flatMap({ view.shape($0) }),
      !first.contains(nil), Self.sorted(weights) == Self.sorted(first), !mixing.isEmpty,
      mixing.allSatisfy({ mixesHeads(of: first, $0) })
    else { return nil }
    return Recognition(
      softmax: softmax, nodes: match.used, pattern: "talking heads", attention: nil, reason: .headsMixed,
      stop: steps.first { $0.values["mixing"] != nil }?.node)
  }

  private static func sorted(_ shape: [Dimension?]) -> [String] { shape.map { $0?.description ?? "?" }.sorted() }

  /// A square of the heads' number, perhaps as the kernel of a convolution.
  private func mixesHeads(of scores: [Dimension?], _ weight: String) -> Bool {
    guard let shape = view.shape(weight)?.map({ $0?.value }), shape.count >= 2, shape[0] == shape[1],
      shape.dropFirst(2).allSatisfy({ $0 == 1 }), let heads = shape[0]
    else { return false }
    return scores.dropLast(2).contains(Dimension(heads))
  }
}
