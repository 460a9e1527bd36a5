"""More reasons for the development of the reader; written and labelled before it was tried on any of them.

They were written after the first measurement on `written_reasons.HELD_OUT`, none of whose failures had been looked at.
"""

from __future__ import annotations

from written_reasons import B, H, L, S, T, U, V, Written, Z

MORE: tuple[Written, ...] = (
    Written("Qwen2.5-VL-7B",
            "The individual in the first image has short, dark hair and is wearing a grey T-shirt. The individual in"
            " the second image also has short, dark hair but is wearing a green T-shirt.",
            {H: "+", U: "-"}, "different"),
    Written("Qwen2.5-VL-7B",
            "There is a clear difference in clothing between the two: Person A has a black jacket on, and Person B has"
            " a white one. Their trousers, on the other hand, look alike.",
            {U: "-", L: "+"}, "different"),
    Written("Qwen2.5-VL-7B",
            "Hair: A's is long and brown; B's is long and brown as well. Headwear: not present in either. Sleeves: A"
            " has short sleeves, B has short sleeves. Bags: A carries none, B carries none.",
            {H: "+", T: "+", V: "+", B: "+"}, "same"),
    Written("Qwen2.5-VL-7B",
            "Person B is holding a plastic bag in one hand, which Person A is not. The shorts are of the same pattern.",
            {B: "-", L: "+"}, "different"),
    Written("Qwen3-VL-8B",
            "Hair: A short/black, B short/black → match. Top: A white T-shirt, B white T-shirt → match. Bottom: A blue"
            " shorts, B black trousers → mismatch.",
            {H: "+", U: "+", L: "-"}, "different"),
    Written("Qwen3-VL-8B",
            "A and B both wear a red polo shirt. A's trousers are khaki and so are B's. The backpack that A carries is"
            " also carried by B.",
            {U: "+", L: "+", B: "+"}, "same"),
    Written("Qwen3-VL-8B",
            "First, the jacket: it is black in both. Second, the shoes: they are white in A while they are brown in B.",
            {U: "+", S: "-"}, "different"),
    Written("Qwen3-VL-8B",
            "The footwear is not visible because both images are cropped at the knee. The shirt is the same shade of"
            " blue.",
            {S: "0", U: "+"}, "same"),
    Written("InternVL3-8B",
            "Person A has a slender build, while Person B appears heavier. Their heights also differ.",
            {Z: "-"}, "different"),
    Written("InternVL3-8B",
            "Person A's upper garment is light-colored, whereas Person B's upper garment is dark. Their lower garments"
            " are both dark.",
            {U: "-", L: "+"}, "different"),
    Written("InternVL3-8B",
            "In terms of headwear, Person A wears a baseball cap and Person B wears a baseball cap of the same colour."
            " In terms of bags, no bag is visible in the first image, and the second one shows a handbag.",
            {T: "+", B: "-"}, "different"),
    Written("InternVL3-8B",
            "The hair cannot be compared since Person A is wearing a helmet. The jacket, jeans and boots are"
            " identical.",
            {H: "0", U: "+", L: "+", S: "+"}, "same"),
    Written("LLaVA-OneVision-7B",
            "Yes, these are the same person. He is wearing the same striped shirt and the same shorts, and he carries"
            " the same bag.",
            {U: "+", L: "+", B: "+"}, "same"),
    Written("LLaVA-OneVision-7B",
            "The first person has blonde hair and the second person has black hair. The first person is wearing a"
            " skirt, the second person is wearing pants.",
            {H: "-", L: "-"}, "different"),
    Written("LLaVA-OneVision-7B",
            "One of the persons has a backpack on while the other does not. One has curly hair, the other straight"
            " hair.",
            {B: "-", H: "-"}, "different"),
    Written("LLaVA-OneVision-7B",
            "Neither of the two carries anything. Both of them are in sandals.",
            {B: "+", S: "+"}, "same"),
    Written("Gemma-3-12B",
            "Shirt: match. Shorts: match. Shoes: no match. Hair: similar.",
            {U: "+", L: "+", S: "-", H: "+"}, "different"),
    Written("Gemma-3-12B",
            "The two of them couldn't look more different: he has a shaved head, she has long hair; he wears a"
            " tracksuit jacket, she wears a floral blouse.",
            {H: "-", U: "-"}, "different"),
    Written("Gemma-3-12B",
            "I see a difference in the sleeves (A: long, B: short), but the color of the top is consistent.",
            {V: "-", U: "+"}, "different"),
    Written("Gemma-3-12B",
            "The shoes of both people are black. Their pants are grey in each image. What sets them apart is the coat:"
            " A's is knee-length and brown, B's is short and red.",
            {S: "+", L: "+", U: "-"}, "different"),
    Written("Llama-3.2-Vision-11B",
            "Upon examining the images, it is evident that the individuals share certain features: both have dark hair"
            " and both are wearing sneakers. Nevertheless, their shirts are of different colors.",
            {H: "+", S: "+", U: "-"}, "different"),
    Written("Llama-3.2-Vision-11B",
            "The person in the left image is wearing a yellow dress with white shoes. In contrast, the person in the"
            " right image is wearing a blue dress with white shoes.",
            {U: "-", S: "+"}, "different"),
    Written("Llama-3.2-Vision-11B",
            "Their hairstyles are comparable, and the same can be said of their trousers.",
            {H: "+", L: "+"}, "same"),
    Written("Llama-3.2-Vision-11B",
            "It is not possible to determine whether the shoes are the same, as they are out of frame in the second"
            " image. The hair is the same length and colour.",
            {S: "0", H: "+"}, "same"),
    Written("MiniCPM-V-8B",
            "The woman on the left has a ponytail, and so does the woman on the right. The T-shirts are both pink.",
            {H: "+", U: "+"}, "same"),
    Written("MiniCPM-V-8B",
            "A: black cap, grey T-shirt, black trousers. B: no cap, grey T-shirt, black trousers.",
            {T: "-", U: "+", L: "+"}, "different"),
    Written("MiniCPM-V-8B",
            "They wear the same white shirt. Apart from the skirt, which is longer in the second picture, nothing"
            " differs.",
            {U: "+", L: "-"}, "different"),
    Written("SmolVLM2-2.2B",
            "Person A: red shirt. Person B: red shirt. Person A: blue jeans. Person B: blue jeans.",
            {U: "+", L: "+"}, "same"),
    Written("SmolVLM2-2.2B",
            "The person in the first image is wearing a hat. The person in the second image is not wearing a hat.",
            {T: "-"}, "different"),
    Written("SmolVLM2-2.2B",
            "Both have a backpack. The backpack in A is blue. The backpack in B is black.",
            {B: "-"}, "different"),
    Written("Pixtral-12B",
            "Everything matches except for the bag. The hair is short and dark, the T-shirt white, the shorts beige in"
            " both crops.",
            {B: "-", H: "+", U: "+", L: "+"}, "different"),
    Written("Pixtral-12B",
            "A's hair falls to the shoulders; B's is cut short. The sneakers are the same model.",
            {H: "-", S: "+"}, "different"),
    Written("Pixtral-12B",
            "While both are in dark trousers, only A has a jacket over the shirt.",
            {L: "+", U: "-"}, "different"),
    Written("GLM-4.1V-9B-Thinking",
            "Hmm, A's top is a grey hoodie. What about B? B's top is a grey hoodie too. The trousers: black, black."
            " Okay. Shoes: A's can't be seen.",
            {U: "+", L: "+", S: "0"}, "same"),
    Written("GLM-4.1V-9B-Thinking",
            "Person A's clothes: white blouse, dark skirt. Person B's clothes: white blouse, dark trousers. So the"
            " upper part fits, the lower part doesn't.",
            {U: "+", L: "-"}, "different"),
    Written("Molmo-7B",
            "Same guy in both: grey beanie, black puffer jacket, jeans.",
            {T: "+", U: "+", L: "+"}, "same"),
    Written("Molmo-7B",
            "Not the same person. The one in A is wearing a blue sweater, and the one in B is wearing a black one. The"
            " one in A has glasses.",
            {U: "-"}, "different"),
    Written("Idefics3-8B",
            "The outfits differ in every respect: shirt, trousers, shoes.",
            {U: "-", L: "-", S: "-"}, "different"),
    Written("Idefics3-8B",
            "The backpack is red in the first photo, but it's green in the second. Hair color, top and shorts are the"
            " same.",
            {B: "-", H: "+", U: "+", L: "+"}, "different"),
    Written("DeepSeek-VL2",
            "Both pedestrians are bareheaded and carry a black shoulder bag; the length of the hair is unlike.",
            {T: "+", B: "+", H: "-"}, "different"),
    Written("Phi-4-multimodal",
            "Person A is wearing a purple hoodie and grey sweatpants, just like Person B.",
            {U: "+", L: "+"}, "same"),
    Written("Phi-4-multimodal",
            "Unlike Person A, who wears boots, Person B wears sandals. They have equal hair length.",
            {S: "-", H: "+"}, "different"),
    Written("Kimi-VL-A3B",
            "A and B's shirts are the same. A's shorts and B's shorts are the same. A has sandals; B is barefoot.",
            {U: "+", L: "+", S: "-"}, "different"),
    Written("Kimi-VL-A3B",
            "The top is green for A and green for B. The bag is missing in A. The hair is blurred in both images.",
            {U: "+", H: "0"}, "same"),
)  # fmt: skip
