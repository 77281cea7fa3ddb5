import ISAPatch
import Testing

@Suite struct QualityDialTests {
  private let dial = QualityDial(positions: [
    .init(point: 0, worstPSNR: 36, executedDensity: 0.10), .init(point: 1, worstPSNR: 31, executedDensity: 0.05),
    .init(point: 2, worstPSNR: 42, executedDensity: 0.30), .init(point: 3, worstPSNR: 42.5, executedDensity: 0.25),
    .init(point: 4, worstPSNR: nil, executedDensity: 1),
  ])

  /// The cheapest position that was measured to keep the quality, whatever their order.
  @Test(arguments: [(20, 1), (31, 1), (31.5, 0), (36, 0), (36.1, 3), (42.4, 3), (43, 4), (200, 4)] as [(Double, Int)])
  func takesTheCheapestThatKeepsIt(decibels: Double, point: Int) {
    #expect(dial.point(.decibels(decibels)) == point)
  }

  @Test func targetAndExact() {
    #expect(dial.point(.target) == 0)
    #expect(dial.point(.exact) == 4)
    #expect(QualityDial(positions: [.init(point: 0, worstPSNR: nil, executedDensity: 1)]).point(.exact) == 0)
  }

  @Test func travelsInTheModel() {
    #expect(QualityDial(metadata: [QualityDial.metadataKey: dial.text]) == dial)
  }

  @Test(arguments: ["", "{}", "[]", "{\"positions\":[]}", "{\"positions\":[{\"point\":\"0\"}]}", "null"])
  func whatIsNoneIsIgnored(text: String) {
    #expect(QualityDial(metadata: [QualityDial.metadataKey: text]) == nil)
    #expect(QualityDial(metadata: [:]) == nil)
  }
}
